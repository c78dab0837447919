#include "cli/plan_text.h"

#include <cmath>
#include <cstdio>
#include <iostream>

#include <holdfast/reason.h>

#include "model/words.h"
#include "text/table.h"
#include "text/units.h"

namespace holdfast {
namespace {

constexpr double reference_loss = 0.01;
constexpr double reference_population = 10'000;

double false_deaths(const LivenessPlan& plan) {
    return reference_population * false_deaths_per_day(plan, reference_loss);
}

void print_kernel_options(const LivenessPlan& plan) {
    std::cout << "Socket options: set on the listener, inherited by each connection, read back from the kernel\n";
    Table table({{"option"}, {"value", Align::right}, {"meaning"}});
    table.add({"TCP_KEEPIDLE", format_duration(plan.idle), "silence before the first keep-alive probe"});
    table.add({"TCP_KEEPINTVL", format_duration(plan.interval), "time between probes"});
    table.add({"TCP_KEEPCNT", std::to_string(plan.count), "probes before the close, even with late timers"});
    table.add({"TCP_USER_TIMEOUT", format_duration(plan.user_timeout),
               "silence after which the next probe ends the connection, in place of TCP_KEEPCNT"});
    table.add({"TCP_RTO_MAX_MS", std::to_string(std::chrono::milliseconds(plan.rto_max).count()),
               "longest time between retransmissions (Linux 6.15 and later)"});
    table.print(2);
}

void print_own_limits(const LivenessPlan& plan) {
    std::cout << "\nLimits of the gateway itself, as a write to a silent peer restarts the kernel's timer:\n";
    Table table({{"limit"}, {"value", Align::right}, {"meaning"}});
    table.add({"sweep period", format_duration(plan.sweep_period), "time in which each connection is checked once"});
    table.add({"silence limit", format_duration(plan.silence_limit),
               "silence with unacknowledged data that closes the connection"});
    table.print(2);
}

void print_worst_cases(const LivenessPlan& plan) {
    const auto& worst = plan.worst_case;
    const auto word = [](CloseReason reason) { return std::string(to_string(reason)); };
    std::cout << "\nWorst case, from the device's last sign of life to the closed event:\n";
    Table table({{"the device ..."}, {"found within", Align::right}, {"by"}, {"reason"}});
    table.add({"closes or resets (FIN, RST)", format_duration(worst.fin_or_reset), "its own segment, at once",
               word(CloseReason::peer_closed) + ", " + word(CloseReason::peer_reset)});
    table.add({"vanishes while idle", format_duration(worst.idle), "keep-alive probes",
               word(CloseReason::keepalive_expired)});
    table.add({"vanishes with data in flight", format_duration(worst.in_flight), "sweep",
               word(CloseReason::retransmit_expired)});
    table.add({"vanishes, data written amid probing", format_duration(worst.probing), "sweep",
               word(CloseReason::retransmit_expired)});
    table.add({"answers but reads nothing (zero window)", format_duration(worst.zero_window), "sweep",
               word(CloseReason::window_stalled)});
    table.print(2);
}

/// Returns a percentage, rounded down, so that the printed value is safe.
std::string percent(double share) {
    const bool small = share < 0.01;
    const double scale = small ? 100 : 1;
    char text[32];
    std::snprintf(text, sizeof text, small ? "%.2f%%" : "%.0f%%", std::floor(100 * scale * share) / scale);
    return text;
}

void print_what_is_safe(const LivenessPlan& plan) {
    const auto& outage = plan.safe_outage;
    std::cout << "\nDisturbances that close no living connection:\n";
    Table table({{"the path ..."}, {"up to", Align::right}, {"where"}});
    table.add({"loses every packet (an outage)", format_duration(outage.idle), "the connection is idle"});
    table.add({"", format_duration(outage.in_flight), "data is in flight, Linux 6.15 and later"});
    table.add({"", format_duration(outage.in_flight_uncapped), "data is in flight, older kernels"});
    table.add({"has a long round trip", format_duration(plan.safe_round_trip), "idle and with data in flight"});
    table.add({"loses packets, each way", percent(safe_packet_loss(plan)),
               "at most one in a million idle connections a day is closed"});
    table.print(2);
}

void print_loss(const LivenessPlan& plan) {
    const int lost = plan.lost_probes_tolerated;
    if (lost == 0) {
        std::cout << "\nOne lost probe closes a living idle device";
    } else {
        std::cout << "\nA living idle device is kept through " << lost
                  << (lost == 1 ? " lost probe" : " lost probes in a row");
    }
    if (lost < 4) std::cout << "; choose 10s or more to tolerate 4";
    std::cout << ".\nAt 1 % packet loss each way, " << false_deaths_text(plan)
              << " of 10,000 living idle connections a day are closed.\n";
}

}  // namespace

std::string false_deaths_text(const LivenessPlan& plan) {
    const double deaths = false_deaths(plan);
    if (deaths < 0.01) return "under 0.01";
    char text[64];
    std::snprintf(text, sizeof text, deaths < 10 ? "%.2f" : "%.0f", deaths);
    std::string out = text;
    if (deaths >= 999.5) out.insert(out.size() - 3, ",");
    return out;
}

void print_plan(const LivenessPlan& plan) {
    std::cout << "detect_within " << format_duration(plan.detect_within)
              << ": every silent or ended connection is found and cleaned up within it.\n\n";
    print_kernel_options(plan);
    print_own_limits(plan);
    print_worst_cases(plan);
    print_what_is_safe(plan);
    print_loss(plan);
}

void write_plan(JsonWriter& json, const LivenessPlan& plan) {
    json.field("detect_within_ms", plan.detect_within.count());
    write_plan_fields(json, plan);
    json.field("safe_packet_loss_percent", std::floor(10'000 * safe_packet_loss(plan)) / 100);
    json.field("false_deaths_of_10000_per_day_at_1_percent_loss", false_deaths(plan));
}

}  // namespace holdfast
