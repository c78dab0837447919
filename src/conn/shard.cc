#include "conn/shard.h"

#include <utility>

#include "base/check.h"
#include "conn/adopter.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

bool has_same_deadlines(const ListenerPolicy& a, const ListenerPolicy& b) {
    return a.read_idle == b.read_idle && a.item_deadline == b.item_deadline && a.authenticates == b.authenticates;
}

}  // namespace

void Shard::adopt(const Heritage& heritage) {
    adopted_ = Adopter(core(), parts_.listeners, parts_.memory, parts_.sweeper).adopt(heritage);
    for (std::size_t number = 0; number < parts_.listeners.size(); ++number) {
        ListenerPolicy policy = core().policies.of_listener(number);
        // The pauses of the earlier process are not known, such as the one that led to its end.
        policy.deadlines_since = time().tick;
        if (heritage.has_other_plan[number]) policy.plan_since = time().tick;
        core().policies.change(static_cast<std::uint8_t>(number), std::move(policy));
        if (!heritage.has_other_plan[number]) continue;
        parts_.walks.change_plan_of(static_cast<std::uint8_t>(number), [](const PlanTally&) {});
    }
}

std::vector<int> Shard::listening_sockets() {
    std::vector<int> all;
    for (std::size_t number = 0; number < parts_.listeners.size(); ++number)
        all.push_back(parts_.listeners[number].fd());
    return all;
}

void Shard::mark_suspects(const std::vector<Token>& silent, std::chrono::milliseconds probed_for) {
    parts_.sweeper.mark_suspects(silent, probed_for);
}

std::optional<WallTime> Shard::suspect_since(const Connection& connection) const {
    return parts_.sweeper.suspect_since(connection);
}

void Shard::when_acknowledged(Token number, SteadyTime deadline, std::function<void(bool)> done) {
    parts_.walks.when_acknowledged(number, deadline, std::move(done));
}

void Shard::add_listener(UniqueFd socket, bool inherited) {
    parts_.listeners.add(std::move(socket));
    Listener& listener = parts_.listeners[parts_.listeners.size() - 1];
    listener.set_inherited(inherited);
    if (inherited) static_cast<void>(apply_plan(listener.fd(), core().policies.of_listener(listener.index()).plan));
}

void Shard::start() {
    if (heritage_ != nullptr) adopt(*std::exchange(heritage_, nullptr));
    for (std::size_t number = 0; number < parts_.listeners.size(); ++number) {
        parts_.listeners.resume(parts_.listeners[number]);
    }
}

void Shard::on_ready(Token token, std::uint32_t events) {
    if (Listener::is_listener(token)) return parts_.listeners.on_ready(Listener::index_of(token));
    Connection* connection = core().registry.find(token);
    if (connection == nullptr) return;  // the connection was closed earlier
    if ((events & EPOLLOUT) != 0) flush(*connection);
    parts_.receiver.on_ready(*connection, events);
}

void Shard::flush(Connection& connection) {
    parts_.sender.flush(connection);
    if (!core().ends_after_flush.empty()) [[unlikely]]
        parts_.drainer.check_flushed(connection);
}

bool Shard::close(Connection& connection, CloseInfo order, std::string_view detail, bool flush) {
    const Token number = core().registry.number_of(connection);
    if (connection.is_closing() || (flush && is_ending(connection))) return false;
    const auto waiting = core().ends_after_flush.find(number);
    if (waiting != core().ends_after_flush.end()) {
        order = waiting->second;  // the first reason wins
    } else if (!detail.empty()) {
        order.detail = core().details.try_emplace(number, detail).first->second;
    }
    if (const auto facts = read_tcp_facts(connection.fd)) order.evidence = facts->evidence;
    flush ? parts_.drainer.end_after_flush(connection, order) : core().close(connection, order);
    return true;
}

bool Shard::is_ending(const Connection& connection) const {
    const Core& core = parts_.core;
    return connection.parting ||
           (!core.ends_after_flush.empty() && core.ends_after_flush.contains(core.number_of(connection)));
}

bool Shard::on_turn_end() {
    parts_.receiver.read_waiting();
    parts_.preamble.step_handshakes();
    parts_.memory.make_room();  // room for the last reads of the sweep
    parts_.sweeper.sweep();
    parts_.walks.step();
    parts_.drainer.step();
    parts_.memory.make_room();
    parts_.finalizer.finalize_closed();
    parts_.drainer.forget_removed();
    core().handler.on_turn_end();
    if (core().closed.empty()) {
        for (const auto& work : std::exchange(after_turn_, {})) work();
    }
    if (core().stop_deadline) finish_if_stopped();
    return parts_.memory.blocks_reading() || parts_.receiver.has_waiting() || parts_.drainer.is_due() ||
           parts_.preamble.has_handshakes_left() || parts_.sweeper.is_due() || parts_.walks.is_due() ||
           !core().closed.empty() || !after_turn_.empty();
}

void Shard::open_listener(NewListener fresh, PlanChange::Done in_force) {
    if (core().stop_deadline) return;
    const std::size_t number = fresh.number;
    HOLDFAST_CHECK(number <= parts_.listeners.size());
    if (number == parts_.listeners.size()) {
        core().policies.add_listener();
        core().listener_counters.emplace_back();
        parts_.listeners.add(UniqueFd());
    }
    Listener& listener = parts_.listeners[number];
    HOLDFAST_CHECK(listener.closed());
    parts_.drainer.keep_listener(fresh.number);
    fresh.policy.plan_since = fresh.policy.deadlines_since = time().tick;
    const ListenerPolicy before = core().policies.change(fresh.number, fresh.policy);
    core().listener_counters[number] = std::move(fresh.counters);
    listener.replace(std::move(fresh.socket));
    listener.set_inherited(fresh.inherited);
    if (fresh.inherited) static_cast<void>(apply_plan(listener.fd(), fresh.policy.plan));
    parts_.listeners.resume(listener);
    const bool some_stayed = core().listener_counters[number]->held() > 0;
    if (some_stayed && before.plan != fresh.policy.plan) {
        parts_.walks.change_plan_of(fresh.number, std::move(in_force));
    }
    if (some_stayed && before.tls != fresh.policy.tls) parts_.preamble.close_uncertified(fresh.number, parts_.walks);
    parts_.sweeper.follow(fresh.number);
}

void Shard::change_listener(ListenerChange change, PlanChange::Done in_force) {
    if (core().stop_deadline) return;
    const ListenerPolicy before = core().policies.of_listener(change.number);
    ListenerPolicy policy = std::move(change.policy);
    const bool other_plan = before.plan != policy.plan;
    policy.plan_since = other_plan ? time().tick : before.plan_since;
    policy.deadlines_since = has_same_deadlines(before, policy) ? before.deadlines_since : time().tick;
    core().policies.change(change.number, policy);

    Listener& listener = parts_.listeners[change.number];
    if (change.socket.valid()) {
        parts_.listeners.accept_rest(listener);
        const bool was_paused = listener.paused();
        listener.replace(std::move(change.socket));
        if (!was_paused) parts_.listeners.resume(listener);  // the timer of the pause resumes it
    } else {
        if (other_plan) static_cast<void>(apply_plan(listener.fd(), policy.plan));
        if (!listener.inherited()) static_cast<void>(set_backlog(listener.fd(), change.backlog));
    }
    listener.set_outdated_queue(listener.outdated_queue() || other_plan);
    if (before.tls != policy.tls) parts_.preamble.close_uncertified(change.number, parts_.walks);
    if (other_plan || before.write_stall != policy.write_stall) {
        parts_.walks.change_plan_of(change.number, std::move(in_force));
    }
    parts_.sweeper.follow(change.number);
}

bool Shard::set_plan(Connection& connection, std::optional<LivenessPlan> plan) {
    PolicyTable& policies = core().policies;
    const std::uint32_t slot = core().registry.slot_of(connection);
    const LivenessPlan& of_listener = policies.of_listener(connection.listener).plan;
    // A kernel without TCP_RTO_MAX_MS has shown that on the listener.
    if (plan && of_listener.rto_max == std::chrono::seconds(0)) plan->rto_max = of_listener.rto_max;
    if (policies.has_own(slot) == plan.has_value() && (!plan || policies.of(connection, slot).plan == *plan))
        return true;
    PolicyTable::Group group = connection.listener;
    if (plan) {
        const auto own = policies.give(connection, slot, *plan, time().tick);
        if (!own) return false;
        group = *own;
    } else {
        policies.take_back(slot, time().tick);
    }
    parts_.sweeper.move(connection, group);
    parts_.walks.change_plan_of(connection);
    return true;
}

void Shard::close_listener(std::uint8_t number, SteadyTime deadline) {
    Listener& listener = parts_.listeners[number];
    if (core().stop_deadline || listener.closed()) return;
    parts_.listeners.accept_rest(listener);
    parts_.listeners.close(listener);
    parts_.walks.forget_plan_change(number);
    parts_.drainer.remove_listener(number, deadline);
}

void Shard::drain(StopTask task) {
    for (std::size_t number = 0; !core().stop_deadline && number < parts_.listeners.size(); ++number) {
        Listener& listener = parts_.listeners[number];
        if (task.deadline > core().reactor.now() && !listener.closed()) parts_.listeners.accept_rest(listener);
        listener.close();
    }
    parts_.drainer.stop(std::move(task));
}

void Shard::finish_if_stopped() {
    if (core().stopped || core().registry.size() > 0) return;
    core().stopped = true;
    parts_.walks.end_all();  // completes pending probes before the thread ends
    core().reactor.stop();
}

}  // namespace holdfast
