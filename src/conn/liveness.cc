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

WatchVerdict judge_watch(const WatchedFacts& view, const ListenerPolicy& policy) {
    const Evidence& evidence = view.facts.evidence;
    const bool asked = view.facts.unacked_segments > 0 || evidence.probes > 0;
    const bool window_closed = evidence.peer_window == 0 && (evidence.unsent_bytes > 0 || view.bytes_waiting);
    if (window_closed) {
        // Its window probes back off, so a closed window makes long silences normal: its own limit holds, not the
        // silence's.
        const auto limit = policy.write_stall.value_or(policy.plan.silence_limit - policy.plan.sweep_period);
        return view.stalled > limit ? WatchVerdict::stalled_out : WatchVerdict::stalled;
    }
    // What was an ordinary silence under the plan before is not held against anyone.
    const auto silence = std::min(evidence.last_heard, view.plan_age);
    if (asked && silence >= policy.plan.silence_limit) return WatchVerdict::silent;
    const bool quiet = evidence.unacked_bytes == 0 && !view.bytes_waiting && !asked;
    return quiet ? WatchVerdict::well : WatchVerdict::waiting;
}

}  // namespace holdfast
