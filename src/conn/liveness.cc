#include "conn/liveness.h"

#include <algorithm>

#include "tcp/probe.h"

namespace holdfast {

using std::chrono::milliseconds;

std::optional<CloseReason> judge_deadlines(const DeadlineView& view, const ListenerPolicy& policy) {
    // "More than", since a tick is up to a tenth of a second old when it is taken: late by that much, never early.
    if (view.item_age && *view.item_age > view.times * policy.item_deadline) return CloseReason::item_deadline;
    if (policy.read_idle && view.since_item > view.times * *policy.read_idle) return CloseReason::read_idle;
    return std::nullopt;
}

std::optional<milliseconds> asking_round(const LivenessPlan& plan) {
    // A probe can be forced after a second of silence, which a round must therefore outlast.
    const milliseconds round = milliseconds(plan.idle) * 48 / 100;
    if (round <= probe_not_needed_within) return std::nullopt;
    return round;
}

bool was_asked(const Evidence& evidence) {
    if (evidence.unacked_bytes == 0) return evidence.probes > 0;
    return evidence.peer_window > 0 && evidence.retransmits >= 2;
}

namespace {

// A peer behind a closed window that leaves so many window probes unanswered is gone; one or two are lost now and then.
constexpr unsigned window_probes_in_vain = 3;

milliseconds silence_of(const WatchedFacts& view) {
    // An ordinary silence under the plan before is not held against a connection.
    return std::min(view.facts.evidence.last_heard, view.plan_age);
}

/// Whether the peer's kernel has something to answer, so that silence counts.
bool is_asked(const WatchedFacts& view) {
    if (view.held_up()) return view.facts.evidence.probes >= window_probes_in_vain;
    return view.facts.unacked_segments > 0 || view.facts.evidence.probes > 0;
}

}  // namespace

milliseconds stall_limit(const ListenerPolicy& policy, milliseconds longest_step) {
    if (policy.write_stall) return *policy.write_stall;
    // A stall begins up to a sweep before it is seen.
    const milliseconds by_plan = policy.plan.silence_limit - policy.plan.sweep_period;
    return std::max(by_plan, std::min<milliseconds>(2 * longest_step, max_stall_limit));
}

WatchVerdict judge_watch(const WatchedFacts& view, const ListenerPolicy& policy) {
    const milliseconds limit = policy.plan.silence_limit;
    if (is_asked(view) && silence_of(view) >= limit) return WatchVerdict::silent;
    const milliseconds unprogressed = std::min(view.unprogressed, view.plan_age);
    // Window probes back off without a cap, so a closed window makes long silences normal: its own limit holds.
    if (view.held_up()) {
        const bool out = unprogressed > stall_limit(policy, view.longest_step);
        return out ? WatchVerdict::stalled_out : WatchVerdict::stalled;
    }
    // Heard, but the path to the peer is lost: its acknowledgements stay behind.
    if (view.outstanding()) return unprogressed >= limit ? WatchVerdict::silent : WatchVerdict::waiting;
    return is_asked(view) ? WatchVerdict::waiting : WatchVerdict::well;
}

milliseconds verdict_due_in(const WatchedFacts& view, const ListenerPolicy& policy) {
    constexpr milliseconds tick{100};  // the coarseness of `unprogressed`
    const milliseconds limit = policy.plan.silence_limit;
    milliseconds due = milliseconds::max();
    if (is_asked(view)) due = std::min(due, limit - silence_of(view));
    const milliseconds unprogressed = std::min(view.unprogressed, view.plan_age);
    const milliseconds without_progress = view.held_up() ? stall_limit(policy, view.longest_step) : limit;
    if (view.outstanding()) due = std::min(due, without_progress - unprogressed + tick);
    return std::max(due, milliseconds(1));
}

KernelRelief relief_for(const WatchedFacts& view, const KernelRelief& now, const LivenessPlan& plan) {
    if (!view.outstanding()) return {};
    const Evidence& evidence = view.facts.evidence;
    // Bytes that are acknowledged within a round trip or two are not worth a system call.
    const bool lasting = evidence.unsent_bytes > 0 || view.bytes_waiting || evidence.retransmits > 0 ||
                         view.unprogressed >= plan.detect_within / 8;
    return {.user_timeout = now.user_timeout || lasting,
            .rto_cap = evidence.peer_window == 0 && view.facts.unacked_segments > 0};
}

}  // namespace holdfast
