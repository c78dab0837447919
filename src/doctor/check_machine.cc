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
     "TCP_INFO counts no sent and repeated bytes (4.19): the gateway cannot see that data is unacknowledged, and a "
     "device "
     "that dies with data in flight is found late."},
    {{5, 4},
     Verdict::wrong,
     "TCP_INFO does not tell the peer's window (5.4): every death with data in flight would be called window_stalled."},
    {{5, 6},
     Verdict::warning,
     "there is no pidfd_getfd (5.6): `holdfast doctor` cannot open the gateway's sockets to read their options."},
    {{5, 11},
     Verdict::warning,
     "TCP_USER_TIMEOUT may not end a connection whose window stays zero (5.11, and later releases of older series): "
     "the "
     "gateway's sweep does, within detect_within."},
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
                                           "\" is faster: see the boot log for why tsc is not trusted";
    out.push_back(
        {.id = "clocksource",
         .verdict = slow ? Verdict::warning : Verdict::ok,
         .found = printable(clock.source),
         .why = "The time is read at each turn of a reactor. From tsc or a hypervisor's page it costs some 30 ns; "
                "from hpet or acpi_pm a system call and a microsecond or more.",
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
             .why = "Events carry the wall clock's time; whoever compares them with other hosts' logs needs it to "
                    "be right. Detection does not hang on it: it uses the monotonic clock.",
             .command = *clock.synchronised ? "timedatectl" : "apt-get install chrony"});
    }
    check_clocksource(clock, out);
}

void check_kernel(const Examination& on, Findings& out) {
    const KernelVersion version = parse_kernel(on.host.kernel);
    Finding finding{.id = "kernel",
                    .found = on.host.kernel.empty() ? "not known" : printable(on.host.kernel),
                    .why = "Lacks nothing that the gateway uses.",
                    .command = "uname -r"};
    std::string lacks;
    for (const KernelGap& gap : kernel_gaps) {
        if (version >= gap.since) continue;
        if (finding.verdict < gap.without) finding.verdict = gap.without;
        lacks += (lacks.empty() ? "Before Linux 5.11 something is missing: " : " ") + std::string(gap.lacks);
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
        .why = "What is set on a listener has to show on the sockets that it accepts: tried just now on loopback.",
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
            "An outage of the path that is shorter closes no living device, idle or with data in flight. For data in "
            "flight the kernel's time-out doubles with each try; TCP_RTO_MAX_MS (Linux 6.15) caps it, so that the "
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
                       " would hold at detect_within " + format_duration(first.detect_within) + ".";
        finding.command = "uname -r   # install a kernel of 6.15 or later";
    }
    out.push_back(std::move(finding));
}

}  // namespace holdfast
