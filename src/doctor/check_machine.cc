#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "doctor/diagnose.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

struct KernelVersion {
    unsigned major = 0;
    unsigned minor = 0;

    friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};

/// Parses "6.1.0-28-amd64" as 6.1; unreadable text is 0.0.
KernelVersion parse_kernel(std::string_view release) {
    KernelVersion version;
    const char* const end = release.data() + release.size();
    const auto [dot, error] = std::from_chars(release.data(), end, version.major);
    if (error != std::errc{} || dot == end || *dot != '.') return version;
    std::from_chars(dot + 1, end, version.minor);
    return version;
}

struct KernelGap {
    KernelVersion since;
    Verdict without;
    const char* lacks;
};

// Kernel features that the code relies on, with the Linux version that introduced them; the most important first.
constexpr KernelGap kernel_gaps[] = {
    {{4, 19},
     Verdict::wrong,
     "TCP_INFO has no counts of sent and repeated bytes (4.19), so the gateway cannot see unacknowledged data. A "
     "device that vanishes with data in flight is found late."},
    {{5, 4},
     Verdict::wrong,
     "TCP_INFO has no window of the peer (5.4), so each loss with data in flight ends as window_stalled."},
    {{5, 6},
     Verdict::warning,
     "pidfd_getfd is missing (5.6), so `holdfast doctor` cannot open the gateway's sockets to read their options."},
    {{5, 11},
     Verdict::warning,
     "TCP_USER_TIMEOUT may keep a connection whose window stays zero (5.11, and later releases of older series); the "
     "gateway's sweep closes it within detect_within."},
};

bool is_slow_clock(std::string_view source) {
    for (const std::string_view slow : {"hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"}) {
        if (source == slow) return true;
    }
    return false;
}

void check_clocksource(const ClockFacts& clock, Findings& out) {
    constexpr const char* file = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    if (clock.source.empty()) return out.push_back(unseen("clocksource", file, std::string("cat ") + file));
    const bool slow = is_slow_clock(clock.source);
    const bool has_tsc = clock.available.find("tsc") != std::string::npos;
    const std::string mend = has_tsc ? std::string("echo tsc > ") + file
                                     : "grep . " + std::string(file) + "   # none of \"" + printable(clock.available) +
                                           "\" is faster; the boot log says why tsc is not used";
    out.push_back({.id = "clocksource",
                   .verdict = slow ? Verdict::warning : Verdict::ok,
                   .found = printable(clock.source),
                   .why = "Each turn of a reactor reads the clock. A read costs about 30 ns with tsc or the page of a "
                          "hypervisor, and a microsecond or more with hpet or acpi_pm.",
                   .command = slow ? mend : std::string("cat ") + file});
}

}  // namespace

void check_clock(const Examination& on, Findings& out) {
    const ClockFacts& clock = on.host.clock;
    if (!clock.synchronised) {
        out.push_back(unseen("clock", "the state of the clock (adjtimex)", "timedatectl"));
    } else {
        out.push_back(
            {.id = "clock",
             .verdict = *clock.synchronised ? Verdict::ok : Verdict::warning,
             .found = *clock.synchronised ? "synchronised" : "not synchronised",
             .why = "Events carry the time of the wall clock, and a comparison with logs of other hosts needs it to "
                    "be right. Detection uses the monotonic clock.",
             .command = *clock.synchronised ? "timedatectl" : "apt-get install chrony"});
    }
    check_clocksource(clock, out);
}

void check_kernel(const Examination& on, Findings& out) {
    const KernelVersion version = parse_kernel(on.host.kernel);
    Finding finding{.id = "kernel",
                    .found = on.host.kernel.empty() ? "not known" : printable(on.host.kernel),
                    .why = "The kernel has every feature that the gateway uses.",
                    .command = "uname -r"};
    std::string lacks;
    for (const KernelGap& gap : kernel_gaps) {
        if (version >= gap.since) continue;
        if (finding.verdict < gap.without) finding.verdict = gap.without;
        lacks += (lacks.empty() ? "Features are missing before Linux 5.11: " : " ") + std::string(gap.lacks);
    }
    if (!lacks.empty()) {
        finding.why = lacks;
        finding.command = "apt-get install linux-image-amd64 && reboot   # Debian 12 has 6.1";
    }
    out.push_back(std::move(finding));
}

/// Checks the result of trying the plan on loopback just now.
void check_plan(const Examination& on, Findings& out) {
    Finding finding{
        .id = "plan_kept",
        .found = "",
        .why = "Accepted sockets must inherit the options of the listener. This was tested on loopback just now.",
        .command = "holdfast plan --detect-within " +
                   format_duration(on.demand.listeners.empty() ? std::chrono::milliseconds(30'000)
                                                               : on.demand.listeners.front().plan.detect_within)};
    std::string refused;
    for (const DemandedListener& listener : on.demand.listeners) {
        finding.found += (finding.found.empty() ? "" : ", ") + printable(listener.name) + " " +
                         format_duration(listener.plan.detect_within);
        if (listener.plan_refused.empty()) continue;
        finding.verdict = Verdict::wrong;
        refused += " Listener " + in_quotes(listener.name) + ": " + listener.plan_refused + ".";
    }
    if (finding.found.empty()) finding.found = "no listener";
    finding.why += refused;
    out.push_back(std::move(finding));
}

void check_safe_outage(const Examination& on, Findings& out) {
    Finding finding{
        .id = "safe_outage",
        .found = "",
        .why =
            "A shorter outage of the path closes no living device, idle or with data in flight. For data in "
            "flight the kernel's timeout doubles with each try. TCP_RTO_MAX_MS (Linux 6.15) caps it, so that the "
            "first try after an outage comes soon.",
        .command = "holdfast plan --detect-within " +
                   format_duration(on.demand.listeners.empty() ? std::chrono::milliseconds(30'000)
                                                               : on.demand.listeners.front().plan.detect_within)};
    bool capped = true;
    for (const DemandedListener& listener : on.demand.listeners) {
        finding.found += (finding.found.empty() ? "" : ", ") + printable(listener.name) + " " +
                         format_duration(safe_outage(listener.plan));
        capped = capped && listener.plan.rto_max > std::chrono::seconds(0);
    }
    if (finding.found.empty()) finding.found = "no listener";
    if (!capped) {
        finding.verdict = Verdict::warning;
        finding.found += "; this kernel has no TCP_RTO_MAX_MS";
        const auto& first = on.demand.listeners.front().plan;
        finding.why += " With it, " + format_duration(std::min(first.safe_outage.idle, first.safe_outage.in_flight)) +
                       " would apply at detect_within " + format_duration(first.detect_within) + ".";
        finding.command = "uname -r   # install a kernel of 6.15 or later";
    }
    out.push_back(std::move(finding));
}

}  // namespace holdfast
