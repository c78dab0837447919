#include <cerrno>

#include "conn/liveness.h"
#include "conn/shard.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::uint32_t sweep_slice_slots = 2'048;

}  // namespace

void Shard::schedule_sweep() {
    reactor_.run_at(reactor_.now() + pace_.interval(), [this] {
        sweep_due_ = true;
        schedule_sweep();
    });
}

void Shard::sweep_slice() {
    const std::uint32_t slots = registry_.highest_slot();
    for (std::uint32_t due = pace_.take(reactor_.now(), slots, sweep_slice_slots); due > 0; --due) {
        sweep_slot_ = sweep_slot_ >= slots ? 1 : sweep_slot_ + 1;
        if (Connection* connection = registry_.in_slot(sweep_slot_)) look_at(*connection);
    }
    sweep_due_ = pace_.behind();
}

void Shard::look_at(Connection& connection) {
    const ListenerPolicy& policy = policy_of(connection);
    if (!paused_) {
        const DeadlineView view{
            .now = time().tick,
            .reading_since = reading_since_,
            .last_item = connection.last_item,
            .item_began = connection.unfinished ? std::optional(connection.unfinished->began) : std::nullopt};
        if (const auto reason = judge_deadlines(view, policy)) {
            return close(
                connection, *reason,
                *reason == CloseReason::item_deadline ? handler_.why_unfinished(connection) : std::string_view());
        }
    }
    if (connection.under_watch) look_at_watched(connection);
}

void Shard::look_at_watched(Connection& connection) {
    const auto facts = read_tcp_facts(connection.fd);
    if (!facts) return;
    const ListenerPolicy& policy = policy_of(connection);
    const Downlink* downlink = connection.downlink.get();
    WatchView view{.facts = *facts, .bytes_waiting = downlink != nullptr && downlink->waiting() > 0, .stalled = {}};
    if (downlink != nullptr && downlink->stalled_since != Tick{})
        view.stalled = time().tick.since(downlink->stalled_since);
    const WatchVerdict verdict = judge_watch(view, policy);
    note_stall(connection, verdict == WatchVerdict::stalled);
    switch (verdict) {
        case WatchVerdict::well:
            connection.under_watch = false;
            connection.downlink.reset();
            break;
        case WatchVerdict::waiting:
        case WatchVerdict::stalled:
            break;
        case WatchVerdict::silent: {
            const CloseReason reason = judge_timeout(facts->evidence, policy.plan.user_timeout);
            close(connection, Death{.reason = reason, .error = ETIMEDOUT, .detail = {}, .evidence = facts->evidence});
            break;
        }
        case WatchVerdict::stalled_out:
            close(connection,
                  Death{.reason = CloseReason::window_stalled, .error = 0, .detail = {}, .evidence = facts->evidence});
            break;
    }
}

/// Remembers since when the window is closed, and keeps the kernel from ending a stall that `write_stall` still allows.
void Shard::note_stall(Connection& connection, bool stalled) {
    if (!stalled && !connection.downlink) return;
    if (!connection.downlink) connection.downlink = std::make_unique<Downlink>();
    Downlink& downlink = *connection.downlink;
    const ListenerPolicy& policy = policy_of(connection);
    if (stalled && downlink.stalled_since == Tick{}) downlink.stalled_since = time().tick;
    if (!stalled) downlink.stalled_since = Tick{};
    if (stalled != downlink.user_timeout_raised && policy.outlasts_kernel()) {
        downlink.user_timeout_raised = stalled;
        set_user_timeout(connection.fd,
                         stalled ? *policy.write_stall + policy.plan.detect_within : policy.plan.user_timeout);
    }
}

}  // namespace holdfast
