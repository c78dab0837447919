#include <algorithm>
#include <cmath>
#include <string>

#include <holdfast/liveness.h>

namespace holdfast {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int full_count = 5;                  // probes: at 1 % loss three would kill 4.4 % of idle connections a day
constexpr milliseconds scheduling_slack{250};  // from a timer's expiry to the event, on a busy machine
constexpr milliseconds min_sweep_period{100};
constexpr milliseconds max_sweep_period{1'000};

// Linux arms timers on a wheel whose buckets are up to 1/8 of the delay wide, and always rounds up
// (kernel/time/timer.c).
milliseconds latest(milliseconds delay) { return delay + delay / 8 + scheduling_slack; }

milliseconds idle_death(const LivenessPlan& plan) { return plan.idle + plan.count * plan.interval; }

/// From 15 s on: idle D/3, five probes D/15 apart, so an idle death shows at 2D/3. Below, whole seconds leave less
/// room: as many probes 1 s apart as fit, up to five, and what is left goes to idle.
void choose_kernel_options(LivenessPlan& plan) {
    plan.idle = std::max(seconds(1), std::chrono::floor<seconds>(plan.detect_within / 3));
    plan.interval = std::max(seconds(1), std::chrono::floor<seconds>(plan.detect_within / 15));
    plan.count = full_count;
    while (latest(idle_death(plan)) > plan.detect_within && plan.idle > seconds(1)) plan.idle -= seconds(1);
    while (latest(idle_death(plan)) > plan.detect_within && plan.count > 1) --plan.count;
    // Once set, it replaces the count: the kernel ends an idle connection at the first tick past it. Just before the
    // last tick, with room for the ticks before to come late.
    plan.user_timeout = idle_death(plan) - milliseconds(plan.interval) / 5;
}

void choose_own_limits(LivenessPlan& plan) {
    plan.sweep_period = std::clamp(plan.detect_within / 20, min_sweep_period, max_sweep_period);
    plan.silence_limit = plan.detect_within - plan.detect_within / 20 - plan.sweep_period - scheduling_slack;
}

}  // namespace

Result<LivenessPlan> plan_liveness(milliseconds detect_within) {
    if (detect_within < min_detect_within) {
        return Error{"detect_within = " + std::to_string(detect_within.count()) +
                     " ms cannot be kept: the kernel's keep-alive counts in whole seconds, and one for idling, one for "
                     "a probe and "
                     "the slack of its timers need 3 s; choose 3s or more (15s or more tolerates four lost probes)"};
    }
    if (detect_within > max_detect_within) {
        return Error{
            "detect_within = " + std::to_string(detect_within.count() / 1000) +
            " s is above 1 h: firewalls and NAT forget a silent connection long before, so such a bound would only "
            "find connections that are dead already; choose 1h or less"};
    }
    LivenessPlan plan;
    plan.detect_within = detect_within;
    choose_kernel_options(plan);
    choose_own_limits(plan);
    plan.lost_probes_tolerated = plan.count - 1;

    const milliseconds swept = plan.silence_limit + plan.sweep_period + scheduling_slack;
    plan.worst_case.fin_or_reset = scheduling_slack;
    plan.worst_case.idle = latest(idle_death(plan));
    plan.worst_case.in_flight = swept;
    plan.worst_case.probing = swept;
    plan.worst_case.zero_window = std::min(latest(plan.user_timeout), detect_within);
    return plan;
}

double false_deaths_per_day(const LivenessPlan& plan, double packet_loss) {
    const double probe_lost = 1.0 - (1.0 - packet_loss) * (1.0 - packet_loss);
    const double rounds = 86'400.0 / static_cast<double>(plan.idle.count());
    const double round_dies = std::pow(probe_lost, plan.count);
    return -std::expm1(rounds * std::log1p(-round_dies));
}

}  // namespace holdfast
