#include "conn/shard.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "conn/liveness.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t drains_a_turn = 1'024;  // connections
constexpr milliseconds paused_recheck{5};

// Nobody is left to take an orderly end: RST, and the kernel keeps nothing of it.
bool discards(CloseReason reason) {
    return kind_of(reason) == ReasonKind::network || reason == CloseReason::out_of_memory;
}

}  // namespace

Shard::Shard(Reactor& reactor, StreamHandler& handler, Admission& admission, ShardOptions options)
    : core_(reactor, handler, admission, options),
      pace_(reactor.now(), options.reactor + 1),
      rates_(options.rates),
      large_(options.max_unfinished / 4) {
    pace_.keep_canaries(options.canaries);
    for (std::size_t i = 0; i < core_.policies.size(); ++i) {
        pace_.set_demand(static_cast<std::uint8_t>(i), pace_demand(core_.policies[i]), reactor.now());
    }
}

void Shard::start() {
    for (Listener& listener : listeners_) begin_accepting(listener);
}

void Shard::on_ready(Token token, std::uint32_t events) {
    if (Listener::is_listener(token)) {
        Listener& listener = listeners_[Listener::index_of(token)];
        const bool late = core_.reactor.first_share().is_spent();
        if (!listener.closed() && !listener.paused())
            accept_from(listener, late ? accepts_when_late : accepts_per_turn);
        return;
    }
    Connection* connection = core_.registry.find(token);
    if (connection == nullptr || connection->dying) return;  // its end began earlier: bury() reads the last bytes
    if ((events & EPOLLOUT) != 0) flush_downlink(*connection);
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        see_end(*connection, events);
    } else if ((events & EPOLLPRI) != 0 && !connection->throttled) {
        read_or_later(*connection, ReadUntil::end);  // recv(2) stops at the urgent byte, though more may be there
    } else if ((events & EPOLLIN) != 0 || connection->encrypted) {  // TLS may have waited for room to write
        read_or_later(*connection, ReadUntil::short_read);
    }
}

bool Shard::on_turn_end() {
    read_those_left();
    step_handshakes();
    make_room();  // before those whose time is over are read for the last time
    if (sweep_due_ && core_.reactor.caught_up()) sweep_slice();
    walks_.step();
    drain_leaving();
    if (core_.stop_deadline) drain_slice();
    make_room();
    reap();
    forget_those_left();
    core_.handler.on_turn_end();
    if (core_.closed.empty()) {  // what waits for the end of a connection waits for the reaping
        for (const auto& work : std::exchange(after_turn_, {})) work();
    }
    if (core_.stop_deadline) finish_if_drained();
    const bool reads_left = !read_again_.empty() && !paused_;
    if (out_of_buffers_) return true;  // the census goes on
    return reads_left || has_ends_left() || !handshakes_.empty() || sweep_due_ || walks_.is_due() ||
           !core_.closed.empty();
}

bool Shard::reading_allowed() {
    if (out_of_buffers_) [[unlikely]]
        return false;
    if (core_.handler.ready()) {
        if (std::exchange(paused_, false)) {
            core_.read_time.miss(core_.reactor.now(), core_.reactor.attended() - paused_since_);
            core_.counters.reading_paused.decrement();
        }
        return true;
    }
    if (!std::exchange(paused_, true)) {
        paused_since_ = core_.reactor.attended();
        core_.counters.reading_paused.increment();
    }
    ask_again_soon();
    return false;
}

/// A turn comes by itself then, and read_those_left asks the handler in it.
void Shard::ask_again_soon() {
    if (std::exchange(asks_again_, true)) return;
    core_.reactor.run_at(core_.reactor.now() + paused_recheck, [this] { asks_again_ = false; });
}

/// Those that the turn has no time for are reaped in the next.
void Shard::reap() {
    const TimeShare share = core_.reactor.share_from_now();
    std::size_t buried = 0;
    while (buried < core_.closed.size() && (buried == 0 || !share.is_spent())) bury(core_.closed[buried++]);
    // A handler may not close: nothing has joined meanwhile.
    core_.closed.erase(core_.closed.begin(), core_.closed.begin() + static_cast<std::ptrdiff_t>(buried));
}

void Shard::bury(const Core::Closed& dead) {
    Connection& connection = *dead.connection;
    Death death = dead.info;
    if (connection.parting) {  // the first cause wins
        const Partings::Parting& parting = *core_.partings.find(core_.number_of(connection));
        death = {.reason = parting.reason, .error = 0, .detail = parting.detail, .evidence = death.evidence};
    }
    if (connection.held && connection.unfinished && !is_opening(connection))
        core_.handler.on_end_while_held(connection, core_.number_of(connection), EndedBy::gateway);
    if (connection.parting && !connection.peer_ended) cut_off(connection);
    if (is_waiting(connection)) {
        if (end_waiting(connection, death)) tell_end(connection, death);
    } else {
        core_.counters_of(connection).connections.decrement();
        if (!is_opening(connection) || end_preamble(connection, death)) tell_end(connection, death);
    }
    if (connection.parting) core_.partings.remove(core_.number_of(connection));
    settle(connection, holding_of(connection), {});
    if (connection.encrypted) end_encryption(connection, death);
    if (connection.suspect) end_suspicion(connection);
    if (discards(death.reason)) discard_on_close(connection.fd);
    ::close(connection.fd);  // leaves the poller with it
    core_.admission.give_back(connection.peer.address,
                              {.peer = connection.counts_for_peer, .prefix = connection.counts_for_prefix});
    pace_.remove(core_.registry.slot_of(connection));
    core_.resumed_reads.forget(core_.number_of(connection));
    core_.registry.erase(connection);
}

void Shard::tell_end(Connection& connection, const Death& death) {
    ListenerCounters& counters = core_.counters_of(connection);
    const auto reason = static_cast<std::size_t>(death.reason);
    counters.closed[reason].increment();
    counters.detection[reason].observe(death.evidence.last_heard);
    if (kind_of(death.reason) == ReasonKind::network && was_found_late(connection, death)) {
        counters.found_late.increment();
    }
    counters.duration.observe(core_.time().tick.since(connection.opened));
    core_.observations.add({.kind = Observation::Kind::closed,
                            .reason = death.reason,
                            .listener = connection.listener,
                            .peer = connection.peer.address,
                            .at = core_.reactor.now(),
                            .last_heard = death.evidence.last_heard,
                            .lived = core_.time().tick.since(connection.opened),
                            .suspect = connection.suspect});
    core_.handler.on_close(connection, core_.number_of(connection), death, core_.time());
}

/// A bound that a reload has brought is not broken by a silence that is older than it.
bool Shard::was_found_late(const Connection& connection, const Death& death) {
    const ListenerPolicy& policy = core_.policy_of(connection);
    return core_.attended_part(death.evidence.last_heard) > policy.longest_silence() &&
           core_.time().tick.since(policy.plan_since) > policy.longest_silence();
}

void Shard::drain(StopTask task) {
    const SteadyTime deadline = task.deadline;
    const SteadyTime attended = core_.reactor.attended_time().at(deadline);
    if (core_.stop_deadline) {
        core_.stop_deadline = std::min(*core_.stop_deadline, attended);
        return;
    }
    stop_ = std::move(task);
    for (Listener& listener : listeners_) {
        if (deadline > core_.reactor.now() && !listener.closed()) accept_last(listener);
        listener.close();
    }
    core_.stop_deadline = attended;
    core_.reactor.run_at(deadline, [] {});  // wakes the reactor: drain_slice looks at the time
}

/// Goes round the slots, so that connections that always have more do not keep it from the others.
void Shard::drain_slice() {
    const bool late = core_.reactor.has_passed(*core_.stop_deadline);
    if (!late && core_.registry.size() == core_.partings.size()) return;
    const TimeShare share = core_.reactor.share_from_now();
    const std::uint32_t slots = core_.registry.highest_slot();
    std::uint32_t budget = drains_a_turn;
    for (std::uint32_t left = slots; left > 0 && budget > 0; --left) {
        drain_slot_ = drain_slot_ >= slots ? 1 : drain_slot_ + 1;
        Connection* connection = core_.registry.in_slot(drain_slot_);
        if (connection == nullptr || connection->dying) continue;
        --budget;
        if (late) {
            core_.close(*connection, CloseReason::shutdown);
        } else if (!connection->parting) {
            read(*connection, ReadUntil::end);
            if (paused_) return;
            if (!connection->read_again) end_in_stop(*connection);
        }
        if (share.is_spent()) return;
    }
}

/// Connections that a stop or the removal of a listener has not begun to end; after its deadline, any that is left.
bool Shard::has_ends_left() const {
    const auto is_late = [this](const Leaving& leaving) {
        return core_.reactor.has_passed(leaving.deadline) && core_.listener_counters[leaving.number]->held() > 0;
    };
    if (core_.stop_deadline && !core_.stopped && core_.registry.size() > 0 &&
        core_.reactor.has_passed(*core_.stop_deadline))
        return true;
    if (std::any_of(leaving_.begin(), leaving_.end(), is_late)) return true;
    if (paused_) return false;
    if (core_.stop_deadline && !core_.stopped && core_.registry.size() > core_.partings.size()) return true;
    return std::any_of(leaving_.begin(), leaving_.end(), [this](const Leaving& leaving) {
        return core_.listener_counters[leaving.number]->held() > core_.partings.size_of(leaving.number);
    });
}

/// Its bytes have been read so far.
void Shard::end_in_stop(Connection& connection) {
    end_hold(connection);
    if (connection.dying) return;
    if (stop_.goodbye && !connection.held && !connection.peer_ended && !is_stranger(connection)) {
        const std::string goodbye = stop_.goodbye(connection, retry_after(stop_, stop_.told++));
        static_cast<void>(send(connection, goodbye));
    }
    part(connection, CloseReason::shutdown, {}, *core_.stop_deadline);
}

void Shard::finish_if_drained() {
    if (core_.stopped || core_.registry.size() > 0) return;
    core_.stopped = true;
    walks_.end_all();  // probes that are under way are answered before the thread ends
    core_.reactor.stop();
}

}  // namespace holdfast
