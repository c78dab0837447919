#include <algorithm>
#include <cmath>
#include <string>

#include <holdfast/liveness.h>

namespace holdfast {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds scheduling_slack{250};  // from the timer's expiry to the event, on a busy machine
constexpr milliseconds max_margin{1'000};
constexpr milliseconds min_sweep_period{100};
constexpr milliseconds max_sweep_period{1'000};
constexpr milliseconds usual_rto{1'000};  // RFC 6298: before the first round trip is measured
constexpr seconds max_rto{120};           // Linux, TCP_RTO_MAX
constexpr double one_in_a_million = 1e-6;

// Returns the latest expiry of a timer. Linux's timer wheel has buckets of up to 1/8 of the delay and always rounds up
// (kernel/time/timer.c).
milliseconds latest(milliseconds delay) { return delay + delay / 8; }

/// Returns the part of the bound that is reserved for delivering the `closed` event and for a busy machine.
milliseconds margin(milliseconds detect_within) { return scheduling_slack + std::min(detect_within / 120, max_margin); }

/// Starts probes after a third of the bound, and repeats them every thirtieth (at least 1 s, the kernel's unit) until
/// the verdict. The kernel closes at the first probe that is due after TCP_USER_TIMEOUT, so one interval must fit
/// behind it.
void choose_kernel_options(LivenessPlan& plan) {
    plan.idle = std::max(seconds(1), std::chrono::floor<seconds>(plan.detect_within / 3));
    plan.interval = std::max(seconds(1), std::chrono::floor<seconds>(plan.detect_within / 30));
    plan.user_timeout = plan.detect_within - margin(plan.detect_within) - latest(plan.interval);
    const milliseconds left = plan.user_timeout - milliseconds(1) - latest(plan.idle);
    plan.count = 1 + static_cast<int>(left / latest(plan.interval));
    // Window probes are spaced like retransmissions, and the kernel ends a connection after tcp_retries2 (15)
    // unanswered ones: 15 must take as long as the bound.
    plan.rto_max = std::clamp(std::chrono::floor<seconds>(plan.detect_within / 15), seconds(1), max_rto);
}

void choose_own_limits(LivenessPlan& plan) {
    plan.sweep_period = std::clamp(plan.detect_within / 20, min_sweep_period, max_sweep_period);
    plan.silence_limit = plan.detect_within - margin(plan.detect_within);
}

/// Computes the worst phase. The outage begins when the peer's last segment is as old as a sound path allows. The next
/// probe follows as late as possible after the outage's end.
void find_safe_outage(LivenessPlan& plan) {
    constexpr milliseconds none{0};
    const milliseconds oldest_sign = latest(plan.idle);
    const milliseconds room = plan.silence_limit - oldest_sign - scheduling_slack;
    plan.safe_outage.idle = std::max(none, plan.user_timeout - oldest_sign - latest(plan.interval));
    plan.safe_outage.in_flight = std::max(none, room - latest(plan.rto_max));
    // Without a cap the timeout doubles: after an outage of t, the next retransmission follows within 2 t plus the
    // first timeout.
    plan.safe_outage.in_flight_uncapped = std::clamp((room * 8 / 9 - usual_rto) / 2, none, plan.safe_outage.in_flight);
    plan.safe_round_trip = plan.user_timeout - oldest_sign - scheduling_slack;
}

/// Returns the rounds of probes per day: one for each quiet period of TCP_KEEPIDLE.
double rounds_per_day(const LivenessPlan& plan) { return 86'400.0 / static_cast<double>(plan.idle.count()); }

}  // namespace

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

Result<LivenessPlan> plan_liveness(milliseconds detect_within) {
    if (detect_within < min_detect_within) {
        return Error{"detect_within = " + std::to_string(detect_within.count()) +
                         " ms is too short: idle time, probe and timer slack need whole seconds; "
                         "choose 3s or more (10s or more tolerates four lost probes)",
                     ErrorCode::invalid_argument};
    }
    if (detect_within > max_detect_within) {
        return Error{"detect_within = " + std::to_string(detect_within.count() / 1000) +
                         " s is above 1 h: firewalls and NAT drop the state of a silent connection long before; "
                         "choose 1h or less",
                     ErrorCode::invalid_argument};
    }
    LivenessPlan plan;
    plan.detect_within = detect_within;
    choose_kernel_options(plan);
    choose_own_limits(plan);
    find_safe_outage(plan);
    plan.lost_probes_tolerated = plan.count - 1;

    const milliseconds by_the_sweep = plan.silence_limit + scheduling_slack;
    plan.worst_case.fin_or_reset = scheduling_slack;
    plan.worst_case.idle = plan.user_timeout + latest(plan.interval) + scheduling_slack;
    plan.worst_case.in_flight = by_the_sweep;
    plan.worst_case.probing = by_the_sweep;
    plan.worst_case.zero_window = by_the_sweep;
    return plan;
}

double false_deaths_per_day(const LivenessPlan& plan, double packet_loss) {
    const double probe_lost = 1.0 - (1.0 - packet_loss) * (1.0 - packet_loss);
    const double round_dies = std::pow(probe_lost, plan.count);
    return -std::expm1(rounds_per_day(plan) * std::log1p(-round_dies));
}

double safe_packet_loss(const LivenessPlan& plan) {
    const double round_dies = -std::expm1(std::log1p(-one_in_a_million) / rounds_per_day(plan));
    const double probe_lost = std::pow(round_dies, 1.0 / plan.count);
    return 1.0 - std::sqrt(1.0 - probe_lost);
}

milliseconds safe_outage(const LivenessPlan& plan) {
    const LivenessPlan::SafeOutage& safe = plan.safe_outage;
    return std::min(safe.idle, plan.rto_max > seconds(0) ? safe.in_flight : safe.in_flight_uncapped);
}

}  // namespace HOLDFAST_PUBLIC

}  // namespace holdfast
