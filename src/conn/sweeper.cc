#include "conn/sweeper.h"

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/plant.h"
#include "conn/liveness.h"
#include "conn/memory_pressure.h"
#include "conn/receiver.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds relief_pause{100};

}  // namespace

Sweeper::Sweeper(Core& core, MemoryPressure& memory, Receiver& receiver, const ShardOptions& options)
    : core_(core), memory_(memory), receiver_(receiver), pace_(core.reactor.now(), options.reactor + 1) {
    pace_.keep_canaries(options.canaries);
    for (std::size_t i = 0; i < options.policies.size(); ++i) {
        pace_.set_demand(static_cast<std::uint8_t>(i), pace_demand(options.policies[i]), core.reactor.now());
    }
}

void Sweeper::follow(std::uint8_t listener) {
    pace_.set_demand(listener, pace_demand(core_.policies.of_listener(listener)), core_.reactor.now());
    for (const PolicyTable::Group group : core_.policies.own_groups(listener)) {
        pace_.set_demand(group, pace_demand(core_.policies.own(group)), core_.reactor.now());
    }
    schedule_step();
}

void Sweeper::move(const Connection& connection, PolicyTable::Group group) {
    const std::uint32_t slot = core_.registry.slot_of(connection);
    const bool is_own = group >= PolicyTable::max_listeners;
    const ListenerPolicy& policy = is_own ? core_.policies.own(group) : core_.policies.of_listener(group);
    pace_.set_demand(group, pace_demand(policy), core_.reactor.now());
    pace_.remove(slot);
    static_cast<void>(pace_.add(slot, group, core_.reactor.now()));
    schedule_step();
}

void Sweeper::add(const Connection& connection) {
    const bool is_first = pace_.add(core_.registry.slot_of(connection), connection.listener, core_.reactor.now());
    if (is_first) schedule_step();
}

void Sweeper::forget(Connection& connection) {
    if (connection.suspect) end_suspicion(connection);
    pace_.remove(core_.registry.slot_of(connection));
}

void Sweeper::schedule_step() {
    SteadyTime next = pending_.next_due();
    if (const auto wait = pace_.next_step(core_.reactor.now())) next = std::min(next, core_.reactor.now() + *wait);
    if (const auto end = core_.ends_that_wait.next()) next = std::min(next, core_.reactor.attended_time().steady(*end));
    if (memory_.wants_relief() && core_.registry.size() > 0) next = std::min(next, core_.reactor.now() + relief_pause);
    if (planted("idle_wakes")) next = std::min(next, core_.reactor.now() + std::chrono::seconds(1));
    if (next >= step_at_) return;
    step_at_ = next;
    core_.reactor.run_at(next, [this, next] {
        if (next == step_at_) step();  // otherwise an earlier step replaced it
    });
}

void Sweeper::step() {
    step_at_ = SteadyTime::max();
    is_due_ = true;
    pace_.pass_probe_ring(core_.reactor.now(), [this](std::uint32_t slot) {
        if (Connection* connection = core_.registry.in_slot(slot)) probe_if_quiet(*connection);
    });
    pace_.draw_canaries(core_.reactor.now(), [this](std::uint32_t slot) { return probe_as_canary(slot); });
    receiver_.end_long_waits();
    memory_.relieve();
    pending_.due(core_.reactor.now(), [this](const PendingProbes::Pending& pending) { check_pending(pending); });
    schedule_step();
}

void Sweeper::sweep() {
    if (!is_due_ || !core_.reactor.caught_up()) return;
    due_.clear();
    is_due_ = pace_.sweep(core_.reactor.now(), [this](std::uint32_t slot) { due_.push_back(slot); });
    for (const std::uint32_t slot : due_) {  // a handler that is called may change the pace
        if (Connection* connection = core_.registry.in_slot(slot)) check(*connection);
    }
}

/// Returns false if no deadline can have passed, by the contents of the slot. Most connections are thus spared the
/// look-ups, which only make a time shorter.
bool Sweeper::may_be_overdue(const Connection& connection, const ListenerPolicy& policy) const {
    if (connection.unfinished || (policy.authenticates && !connection.is_identified())) return true;
    if (planted("deadline_from_accept")) return true;
    return policy.read_idle && core_.time().tick.since(connection.last_item) > *policy.read_idle;
}

void Sweeper::check(Connection& connection) {
    if (connection.connected_pending && core_.time().tick.since(connection.opened) >= std::chrono::seconds(1)) {
        core_.handler.on_connected_pending(connection, core_.number_of(connection), core_.time());
    }
    if (may_be_overdue(connection, core_.policy_of(connection))) check_deadlines(connection);
    if (connection.under_watch && !connection.is_closing()) check_watched(connection);
}

/// Returns the deadline that has passed, or nullopt. `times` multiplies the deadlines: 2 for peers whose bytes never
/// end.
std::optional<Sweeper::Overdue> Sweeper::find_overdue(const Connection& connection, int times) {
    const ListenerPolicy& policy = core_.policy_of(connection);
    const Tick from = std::max(policy.deadlines_since, core_.resumed_reads.since(core_.number_of(connection)));
    const Tick item = planted("deadline_from_accept") ? connection.opened : std::max(connection.last_item, from);
    if (policy.authenticates && !connection.is_identified() &&
        core_.read_since(std::max(connection.last_item, policy.deadlines_since)) >
            times * ListenerPolicy::name_deadline) {
        return Overdue{CloseReason::unauthenticated, "no hello that proves the id arrived within 10 s"};
    }
    DeadlineView view{.since_item = core_.time().tick.since(item), .item_age = {}, .times = times};
    if (connection.unfinished) view.item_age = core_.time().tick.since(std::max(connection.unfinished->began, from));
    if (!classify_deadlines(view, policy)) return std::nullopt;  // spares most connections the look-up of absences
    view.since_item = core_.read_since(item);
    if (connection.unfinished) view.item_age = core_.read_since(std::max(connection.unfinished->began, from));
    const auto reason = classify_deadlines(view, policy);
    if (!reason) return std::nullopt;
    const bool is_item = *reason == CloseReason::item_deadline;
    return Overdue{*reason, is_item ? core_.handler.why_unfinished(connection) : std::string_view()};
}

/// Enforces the deadlines on a peer, which run while the gateway reads it (docs/explanation/liveness.md, "Pauses"). No
/// deadline ends a connection before its bytes in the kernel and the TLS session are read.
void Sweeper::check_deadlines(Connection& connection) {
    const auto is_read = [&] {
        return !receiver_.is_paused() && !connection.is_opening() && !connection.is_paused() && !connection.throttled;
    };
    if (!is_read() || !find_overdue(connection, 1)) return;
    if (connection.peer_ended && core_.half_closed.contains(core_.number_of(connection))) return;  // owes no bytes
    receiver_.read(connection, ReadUntil::end);
    if (connection.is_closing() || !is_read()) return;
    const auto overdue = find_overdue(connection, connection.read_again ? 2 : 1);
    if (overdue) core_.close(connection, overdue->reason, overdue->detail);
}

/// Returns the facts in attended time.
WatchedFacts Sweeper::watched_facts(const Connection& connection, const TcpFacts& facts) const {
    const Downlink* downlink = connection.downlink.get();
    const Tick plan_since = core_.plan_since(connection);
    WatchedFacts view{.facts = facts,
                      .bytes_waiting = downlink != nullptr && downlink->waiting() > 0,
                      .unprogressed = {},
                      .plan_age = core_.attended_part(core_.time().tick.since(plan_since))};
    // A frozen machine's kernel neither received nor probed. After a stop of the process, the kernel's verdict is
    // ETIMEDOUT.
    view.facts.evidence.last_heard = core_.attended_part(view.facts.evidence.last_heard);
    if (downlink != nullptr && downlink->progress_at != Tick{}) {
        const Tick in_other_state = view.held_up() ? downlink->in_flight_at : downlink->held_up_at;
        const Tick from = std::max(downlink->progress_at, in_other_state);
        view.unprogressed = core_.attended_part(core_.time().tick.since(from));
        view.longest_step = downlink->longest_step;
    }
    return view;
}

void Sweeper::check_watched(Connection& connection) {
    const auto facts = read_tcp_facts(connection.fd);
    if (!facts) return;
    note_progress(connection, *facts);
    const ListenerPolicy& policy = core_.policy_of(connection);
    const WatchedFacts view = watched_facts(connection, *facts);
    if (connection.downlink && view.outstanding()) {
        (view.held_up() ? connection.downlink->held_up_at : connection.downlink->in_flight_at) = core_.time().tick;
    }
    relieve_kernel(connection, view);
    switch (classify_watch(view, policy)) {
        case WatchVerdict::well:
            restore_keepidle(connection, policy.plan);
            connection.under_watch = connection.keepidle_moved;
            connection.downlink.reset();
            break;
        case WatchVerdict::waiting:
        case WatchVerdict::stalled:
            check_before_next_sweep(connection, verdict_due_in(view, policy));
            break;
        case WatchVerdict::silent:
            if (planted("no_silence_limit")) break;
            end_silent(connection, *facts);
            break;
        case WatchVerdict::stalled_out:
            end_stalled(connection, *facts, stall_limit(policy, view.longest_step));
            break;
    }
}

/// Records the latest acknowledgement while bytes were outstanding. Progress is acknowledged bytes, not the window: a
/// slow reader's window is closed at nearly every check.
void Sweeper::note_progress(Connection& connection, const TcpFacts& facts) {
    const bool waiting = connection.downlink && connection.downlink->waiting() > 0;
    if (facts.evidence.unacked_bytes == 0 && !waiting) {
        if (connection.downlink) connection.downlink->forget_progress();
        return;
    }
    if (!connection.downlink) connection.downlink = std::make_unique<Downlink>();
    Downlink& downlink = *connection.downlink;
    const bool grew = downlink.acked != facts.acked_bytes;
    if (grew && downlink.progress_at != Tick{}) {
        const auto step = core_.attended_part(core_.time().tick.since(downlink.progress_at));
        downlink.longest_step = std::max(downlink.longest_step, step);
    }
    if (grew || downlink.progress_at == Tick{}) downlink.progress_at = core_.time().tick;
    downlink.acked = facts.acked_bytes;
}

/// Lifts the kernel's limits where they would end a connection that the sweep still allows, and restores them.
void Sweeper::relieve_kernel(Connection& connection, const WatchedFacts& view) {
    if (!connection.downlink || planted("no_relief")) return;
    Downlink& downlink = *connection.downlink;
    const ListenerPolicy& policy = core_.policy_of(connection);
    const KernelRelief now{.user_timeout = downlink.user_timeout_raised, .rto_cap = downlink.rto_uncapped};
    const KernelRelief wanted = relief_for(view, now, policy.plan);
    if (wanted.user_timeout != now.user_timeout) {
        set_user_timeout(connection.fd,
                         wanted.user_timeout ? ListenerPolicy::raised_user_timeout : policy.plan.user_timeout);
    }
    if (wanted.rto_cap != now.rto_cap && policy.plan.rto_max > std::chrono::seconds(0)) {
        set_rto_max(connection.fd, wanted.rto_cap ? std::chrono::seconds(0) : policy.plan.rto_max);
    }
    downlink.user_timeout_raised = wanted.user_timeout;
    downlink.rto_uncapped = wanted.rto_cap;
}

/// Schedules an extra check for a limit that ends well before the next periodic check.
void Sweeper::check_before_next_sweep(const Connection& connection, std::chrono::milliseconds due) {
    if (due >= 2 * core_.policy_of(connection).plan.sweep_period) return;
    core_.reactor.run_at(core_.reactor.now() + due, [this, number = core_.number_of(connection)] {
        Connection* again = core_.registry.find(number);
        if (again != nullptr && again->under_watch) check_watched(*again);
    });
}

/// Closes a connection that made no progress. A peer that answers behind its closed window does not read; a peer that
/// stopped answering there is gone.
void Sweeper::end_stalled(Connection& connection, const TcpFacts& facts, std::chrono::milliseconds limit) {
    const ListenerPolicy& policy = core_.policy_of(connection);
    const CloseReason reason = classify_timeout(facts, std::max(policy.plan.user_timeout, limit));
    if (reason != CloseReason::window_stalled) return end_silent(connection, facts);
    receiver_.read_last_bytes(connection);
    core_.close(connection, CloseInfo{.reason = reason, .error = 0, .detail = {}, .evidence = facts.evidence});
}

/// Closes a silent connection. Takes the socket's errno first, since it may come from an ICMP message that the kernel
/// would report later.
void Sweeper::end_silent(Connection& connection, const TcpFacts& facts) {
    receiver_.read_last_bytes(connection);
    if (connection.is_closing() || connection.read_again) return;
    const int taken = take_error(connection.fd);
    const int error = taken != 0 ? taken : ETIMEDOUT;
    const CloseReason reason =
        classify_close(error, IoPhase::read, facts, core_.policy_of(connection).plan.user_timeout);
    core_.close(connection, CloseInfo{.reason = reason, .error = error, .detail = {}, .evidence = facts.evidence});
}

}  // namespace holdfast
