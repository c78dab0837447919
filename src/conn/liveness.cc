#include "conn/liveness.h"

#include <algorithm>

#include "tcp/socket_options.h"

namespace holdfast {

using std::chrono::milliseconds;

std::optional<CloseReason> classify_deadlines(const DeadlineView& view, const ListenerPolicy& policy) {
    // The comparison is strict, since a tick is up to a tenth of a second old when taken. The deadline ends that much
    // late, never early.
    if (view.item_age && *view.item_age > view.times * policy.item_deadline) return CloseReason::item_deadline;
    if (policy.read_idle && view.since_item > view.times * *policy.read_idle) return CloseReason::read_idle;
    return std::nullopt;
}

std::optional<milliseconds> probe_round(const LivenessPlan& plan) {
    // A round must exceed the second of silence after which a probe can be forced (net/ipv4/tcp.c,
    // tcp_sock_set_keepidle_locked).
    const milliseconds round = milliseconds(plan.idle) * 48 / 100;
    if (round <= probe_not_needed_within) return std::nullopt;
    return round;
}

bool was_probed(const Evidence& evidence) {
    if (evidence.unacked_bytes == 0) return evidence.probes > 0;
    return evidence.peer_window > 0 && evidence.retransmits >= 2;
}

namespace {

// Unanswered window probes that prove that a peer with a closed window is gone; one or two may be lost. RFC 9293, 3.8.4
// forbids a verdict on a single probe.
constexpr unsigned window_probes_in_vain = 3;

milliseconds silence_of(const WatchedFacts& view) {
    // Silence under an earlier plan does not count.
    return std::min(view.facts.evidence.last_heard, view.plan_age);
}

/// Returns true if the peer's kernel owes an answer, so that silence counts.
bool is_probed(const WatchedFacts& view) {
    if (view.held_up()) return view.facts.evidence.probes >= window_probes_in_vain;
    return view.facts.unacked_segments > 0 || view.facts.evidence.probes > 0;
}

}  // namespace

milliseconds stall_limit(const ListenerPolicy& policy, milliseconds longest_step) {
    if (policy.write_stall) return *policy.write_stall;
    // A stall begins up to a sweep period before the sweep sees it.
    const milliseconds by_plan = policy.plan.silence_limit - policy.plan.sweep_period;
    return std::max(by_plan, std::min<milliseconds>(2 * longest_step, max_stall_limit));
}

WatchVerdict classify_watch(const WatchedFacts& view, const ListenerPolicy& policy) {
    const milliseconds limit = policy.plan.silence_limit;
    if (is_probed(view) && silence_of(view) >= limit) return WatchVerdict::silent;
    const milliseconds unprogressed = std::min(view.unprogressed, view.plan_age);
    // Window probes back off (RFC 9293, 3.8.6.1), up to two minutes where the kernel has no TCP_RTO_MAX_MS. Therefore a
    // closed window makes long silences normal and has its own limit.
    if (view.held_up()) {
        const bool out = unprogressed > stall_limit(policy, view.longest_step);
        return out ? WatchVerdict::stalled_out : WatchVerdict::stalled;
    }
    // Segments arrive from the peer, but nothing is acknowledged: the path to the peer is lost.
    if (view.outstanding()) return unprogressed >= limit ? WatchVerdict::silent : WatchVerdict::waiting;
    return is_probed(view) ? WatchVerdict::waiting : WatchVerdict::well;
}

milliseconds verdict_due_in(const WatchedFacts& view, const ListenerPolicy& policy) {
    constexpr milliseconds tick{100};  // resolution of `unprogressed`
    const milliseconds limit = policy.plan.silence_limit;
    milliseconds due = milliseconds::max();
    if (is_probed(view)) due = std::min(due, limit - silence_of(view));
    const milliseconds unprogressed = std::min(view.unprogressed, view.plan_age);
    const milliseconds without_progress = view.held_up() ? stall_limit(policy, view.longest_step) : limit;
    if (view.outstanding()) due = std::min(due, without_progress - unprogressed + tick);
    return std::max(due, milliseconds(1));
}

KernelRelief relief_for(const WatchedFacts& view, const KernelRelief& now, const LivenessPlan& plan) {
    if (!view.outstanding()) return {};
    const Evidence& evidence = view.facts.evidence;
    // Bytes that are acknowledged within a round trip or two do not justify a system call.
    const bool lasting = evidence.unsent_bytes > 0 || view.bytes_waiting || evidence.retransmits > 0 ||
                         view.unprogressed >= plan.detect_within / 8;
    return {.user_timeout = now.user_timeout || lasting,
            .rto_cap = evidence.peer_window == 0 && view.facts.unacked_segments > 0};
}

}  // namespace holdfast
