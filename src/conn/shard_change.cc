#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "conn/shard.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::uint32_t leaving_slice = 1'024;  // slots in a turn
constexpr int last_accepts = 16;                // rounds: what waits beyond them is reset by the kernel

bool same_deadlines(const ListenerPolicy& a, const ListenerPolicy& b) {
    return a.read_idle == b.read_idle && a.item_deadline == b.item_deadline;
}

}  // namespace

void Shard::add_listener(UniqueFd socket) {
    HOLDFAST_CHECK(listeners_.size() < core_.policies.size());
    listeners_.emplace_back(std::move(socket), static_cast<std::uint8_t>(listeners_.size()), core_.reactor.poller());
}

void Shard::open_listener(NewListener fresh, PlanChange::Done in_force) {
    if (core_.stop_deadline) return;
    const std::size_t number = fresh.number;
    HOLDFAST_CHECK(number <= listeners_.size());
    if (number == listeners_.size()) {
        core_.policies.emplace_back();
        core_.listener_counters.emplace_back();
        listeners_.emplace_back(UniqueFd(), fresh.number, core_.reactor.poller());
    }
    HOLDFAST_CHECK(listeners_[number].closed());
    std::erase_if(leaving_, [number](const Leaving& leaving) { return leaving.number == number; });
    fresh.policy.plan_since = fresh.policy.deadlines_since = core_.time().tick;
    const ListenerPolicy before = std::exchange(core_.policies[number], fresh.policy);
    core_.listener_counters[number] = std::move(fresh.counters);
    listeners_[number].replace(std::move(fresh.socket));
    begin_accepting(listeners_[number]);
    const bool some_stayed = core_.listener_counters[number]->held() > 0;
    if (some_stayed && before.plan != fresh.policy.plan) walks_.change_plan_of(fresh.number, std::move(in_force));
    if (some_stayed && before.tls != fresh.policy.tls) end_uncertified(fresh.number);
    pace_.set_demand(fresh.number, pace_demand(fresh.policy), core_.reactor.now());
    schedule_step();
}

void Shard::begin_accepting(Listener& listener) {
    if (const int error = listener.resume(); error != 0) pause_accepting(listener, error);
}

void Shard::change_listener(ListenerChange change, PlanChange::Done in_force) {
    if (core_.stop_deadline) return;
    ListenerPolicy& policy = core_.policies[change.number];
    const ListenerPolicy before = std::exchange(policy, change.policy);
    const bool other_plan = before.plan != policy.plan;
    policy.plan_since = other_plan ? core_.time().tick : before.plan_since;
    policy.deadlines_since = same_deadlines(before, policy) ? before.deadlines_since : core_.time().tick;

    Listener& listener = listeners_[change.number];
    if (change.socket.valid()) {
        accept_last(listener);
        const bool was_paused = listener.paused();
        listener.replace(std::move(change.socket));
        if (!was_paused) begin_accepting(listener);  // else its timer tries again
    } else {
        if (other_plan) static_cast<void>(apply_plan(listener.fd(), policy.plan));
        static_cast<void>(set_backlog(listener.fd(), change.backlog));
    }
    listener.set_outdated_queue(listener.outdated_queue() || other_plan);
    if (before.tls != policy.tls) end_uncertified(change.number);
    if (other_plan || before.write_stall != policy.write_stall)
        walks_.change_plan_of(change.number, std::move(in_force));
    pace_.set_demand(change.number, pace_demand(policy), core_.reactor.now());
    schedule_step();
}

/// What the kernel has completed a handshake with is taken: closing the socket would reset it.
void Shard::accept_last(Listener& listener) {
    for (int round = 0; round < last_accepts && !listener.paused(); ++round) {
        if (!accept_from(listener)) return;
    }
}

void Shard::close_listener(std::uint8_t number, SteadyTime deadline) {
    Listener& listener = listeners_[number];
    if (core_.stop_deadline || listener.closed()) return;
    accept_last(listener);
    listener.close();
    resume_accepting(listener);  // it is not waiting for descriptors any more
    walks_.forget_plan_change(number);
    leaving_.push_back({number, core_.reactor.attended_time().at(deadline)});
    core_.reactor.run_at(deadline, [] {});  // wakes the reactor: drain_leaving looks at the time
}

/// Delivers what has arrived from the connections of removed listeners, then ends them.
void Shard::drain_leaving() {
    if (leaving_.empty()) return;
    const TimeShare share = core_.reactor.share_from_now();
    for (std::uint32_t left = std::min(leaving_slice, core_.registry.highest_slot()); left > 0 && !share.is_spent();
         --left) {
        leaving_slot_ = leaving_slot_ >= core_.registry.highest_slot() ? 1 : leaving_slot_ + 1;
        if (Connection* connection = core_.registry.in_slot(leaving_slot_)) drain_if_leaving(*connection);
    }
}

void Shard::drain_if_leaving(Connection& connection) {
    const auto found = std::find_if(leaving_.begin(), leaving_.end(),
                                    [&](const Leaving& leaving) { return leaving.number == connection.listener; });
    if (found == leaving_.end()) return;
    constexpr std::string_view removed = "its listener was removed from the configuration";
    if (core_.reactor.has_passed(found->deadline)) return core_.close(connection, CloseReason::drained, removed);
    if (connection.parting) return;
    read(connection, ReadUntil::end);
    if (connection.read_again) return;  // more is coming, or the handler is not ready: again later
    part(connection, CloseReason::drained, removed, found->deadline);
}

void Shard::forget_those_left() {
    std::erase_if(leaving_,
                  [this](const Leaving& leaving) { return core_.listener_counters[leaving.number]->held() == 0; });
}

}  // namespace holdfast
