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

// Questions: few enough at a time that probes and answers find room in the receive queue of loopback or veth (1,000
// packets).
constexpr std::uint32_t probe_slice = 256;
constexpr milliseconds probe_slice_pause{2};
constexpr std::uint32_t drains_a_turn = 1'024;  // connections
constexpr milliseconds paused_recheck{5};

// Nobody is left to take an orderly end: RST, and the kernel keeps nothing of it.
bool discards(CloseReason reason) {
    return kind_of(reason) == ReasonKind::network || reason == CloseReason::out_of_memory;
}

}  // namespace

Shard::Shard(Reactor& reactor, StreamHandler& handler, Admission& admission, ShardOptions options)
    : reactor_(reactor),
      handler_(handler),
      admission_(admission),
      policies_(std::move(options.policies)),
      started_(reactor.now()),
      started_at_(reactor.wall_now()),
      ticks_(started_),
      registry_(options.reactor, options.max_connections),
      buffer_(options.max_unfinished),
      pace_(reactor.now(), options.reactor + 1),
      observations_(options.observed),
      rates_(options.rates),
      large_(options.max_unfinished / 4) {
    admission_.add_reactor();
    pace_.keep_canaries(options.canaries);
    for (std::size_t i = 0; i < policies_.size(); ++i) {
        listener_counters_.push_back(std::make_shared<ListenerCounters>());
        pace_.set_demand(static_cast<std::uint8_t>(i), pace_demand(policies_[i]), reactor.now());
    }
}

void Shard::start() {
    for (Listener& listener : listeners_) begin_accepting(listener);
}

void Shard::on_ready(Token token, std::uint32_t events) {
    if (Listener::is_listener(token)) {
        Listener& listener = listeners_[Listener::index_of(token)];
        const bool late = reactor_.first_share().is_spent();
        if (!listener.closed() && !listener.paused())
            accept_from(listener, late ? accepts_when_late : accepts_per_turn);
        return;
    }
    Connection* connection = registry_.find(token);
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
    if (sweep_due_ && reactor_.caught_up()) sweep_slice();
    step_walks();
    drain_leaving();
    if (drain_deadline_) drain_slice();
    make_room();
    reap();
    forget_those_left();
    handler_.on_turn_end();
    if (dead_.empty()) {  // what waits for the end of a connection waits for the reaping
        for (const auto& work : std::exchange(after_turn_, {})) work();
    }
    if (drain_deadline_) finish_if_drained();
    const bool reads_left = !read_again_.empty() && !paused_;
    if (out_of_buffers_) return true;  // the census goes on
    return reads_left || has_ends_left() || !handshakes_.empty() || sweep_due_ || walk_is_due() || !dead_.empty();
}

bool Shard::reading_allowed() {
    if (out_of_buffers_) [[unlikely]]
        return false;
    if (handler_.ready()) {
        if (std::exchange(paused_, false)) {
            read_time_.miss(reactor_.now(), reactor_.attended() - paused_since_);
            counters_.reading_paused.decrement();
        }
        return true;
    }
    if (!std::exchange(paused_, true)) {
        paused_since_ = reactor_.attended();
        counters_.reading_paused.increment();
    }
    ask_again_soon();
    return false;
}

/// A turn comes by itself then, and read_those_left asks the handler in it.
void Shard::ask_again_soon() {
    if (std::exchange(asks_again_, true)) return;
    reactor_.run_at(reactor_.now() + paused_recheck, [this] { asks_again_ = false; });
}

void Shard::close(Connection& connection, CloseReason reason, std::string_view detail) {
    Death death{.reason = reason, .error = 0, .detail = detail, .evidence = {}};
    if (const auto facts = read_tcp_facts(connection.fd)) death.evidence = facts->evidence;
    close(connection, death);
}

void Shard::close(Connection& connection, Death death) {
    if (connection.dying) return;
    if (connection.parting) {  // the first cause wins
        const Partings::Parting& parting = *partings_.find(registry_.number_of(connection));
        death = {.reason = parting.reason, .error = 0, .detail = parting.detail, .evidence = death.evidence};
    }
    connection.dying = true;
    dead_.push_back({&connection, death});
}

/// Those that the turn has no time for are reaped in the next.
void Shard::reap() {
    const TimeShare share = reactor_.share_from_now();
    std::size_t buried = 0;
    while (buried < dead_.size() && (buried == 0 || !share.is_spent())) bury(dead_[buried++]);
    // A handler may not close: nothing has joined meanwhile.
    dead_.erase(dead_.begin(), dead_.begin() + static_cast<std::ptrdiff_t>(buried));
}

void Shard::bury(const Dead& dead) {
    Connection& connection = *dead.connection;
    if (connection.held && connection.unfinished && !is_opening(connection))
        handler_.on_end_while_held(connection, registry_.number_of(connection), EndedBy::gateway);
    if (connection.parting && !connection.peer_ended) cut_off(connection);
    if (is_waiting(connection)) {
        if (end_waiting(connection, dead.death)) tell_end(connection, dead.death);
    } else {
        listener_counters_[connection.listener]->connections.decrement();
        if (!is_opening(connection) || end_preamble(connection, dead.death)) tell_end(connection, dead.death);
    }
    if (connection.parting) partings_.remove(registry_.number_of(connection));
    settle(connection, holding_of(connection), {});
    if (connection.encrypted) end_encryption(connection, dead.death);
    if (connection.suspect) end_suspicion(connection);
    if (discards(dead.death.reason)) discard_on_close(connection.fd);
    ::close(connection.fd);  // leaves the poller with it
    admission_.give_back(connection.peer.address,
                         {.peer = connection.counts_for_peer, .prefix = connection.counts_for_prefix});
    pace_.remove(registry_.slot_of(connection));
    resumed_reads_.forget(registry_.number_of(connection));
    registry_.erase(connection);
}

void Shard::tell_end(Connection& connection, const Death& death) {
    ListenerCounters& counters = *listener_counters_[connection.listener];
    const auto reason = static_cast<std::size_t>(death.reason);
    counters.closed[reason].increment();
    counters.detection[reason].observe(death.evidence.last_heard);
    if (kind_of(death.reason) == ReasonKind::network && was_found_late(connection, death)) {
        counters.found_late.increment();
    }
    counters.duration.observe(time().tick.since(connection.opened));
    observations_.add({.kind = Observation::Kind::closed,
                       .reason = death.reason,
                       .listener = connection.listener,
                       .peer = connection.peer.address,
                       .at = reactor_.now(),
                       .last_heard = death.evidence.last_heard,
                       .lived = time().tick.since(connection.opened),
                       .suspect = connection.suspect});
    handler_.on_close(connection, registry_.number_of(connection), death, time());
}

/// A bound that a reload has brought is not broken by a silence that is older than it.
bool Shard::was_found_late(const Connection& connection, const Death& death) {
    const ListenerPolicy& policy = policy_of(connection);
    return attended_part(death.evidence.last_heard) > policy.longest_silence() &&
           time().tick.since(policy.plan_since) > policy.longest_silence();
}

void Shard::walk(Visit visit, std::function<void()> done, WalkPace pace) {
    if (drained_) return done();
    walks_.push_back({.visit = std::move(visit), .done = std::move(done), .pace = pace});
}

bool Shard::walk_is_due() { return !walks_.empty() && (drained_ || walks_.front().next_slice <= reactor_.now()); }

void Shard::step_walks() {
    if (!walk_is_due()) return;
    Walk& walk = walks_.front();
    for (std::uint32_t left = walk.pace.slots; left > 0 && walk.next_slot <= registry_.highest_slot(); --left) {
        if (Connection* connection = registry_.in_slot(walk.next_slot++)) walk.visit(*connection);
    }
    if (walk.next_slot <= registry_.highest_slot()) {
        walk.next_slice = reactor_.now() + walk.pace.pause;
        if (walk.pace.pause > milliseconds(0)) reactor_.run_at(walk.next_slice, [] {});
        return;
    }
    const auto done = std::move(walk.done);
    walks_.pop_front();
    done();
}

ProbeRun::Done Shard::counted(ProbeRun::Done done) {
    return [this, tell = std::move(done)](ProbeFindings findings) {
        counters_.probes_alive.add(findings.alive);
        counters_.probes_silent.add(findings.silent.size());
        tell(std::move(findings));
    };
}

void Shard::probe(Connection& connection, milliseconds timeout, ProbeRun::Done done) {
    ProbeRun& run = probes_.emplace_back(timeout, ProbeRun::JustHeard::is_alive, counted(std::move(done)));
    run.ask(connection, registry_.number_of(connection), policy_of(connection).plan, reactor_.now());
    run.all_asked();
    step_probe(run);
}

void Shard::probe_all(std::function<bool(const Connection&)> wanted, milliseconds timeout,
                      ProbeRun::JustHeard just_heard, ProbeRun::Done done) {
    ProbeRun& run = probes_.emplace_back(timeout, just_heard, counted(std::move(done)));
    walk(
        [this, &run, wanted = std::move(wanted)](Connection& connection) {
            if (!wanted(connection)) return;
            run.ask(connection, registry_.number_of(connection), policy_of(connection).plan, reactor_.now());
        },
        [&run] { run.all_asked(); }, {probe_slice, probe_slice_pause});
    step_probe(run);
}

void Shard::step_probe(ProbeRun& run) {
    const auto again = run.step(registry_, policies_, reactor_.now(), probe_slice);
    if (again) {
        reactor_.run_at(*again, [this, &run] { step_probe(run); });
    } else {
        probes_.remove_if([&run](const ProbeRun& other) { return &other == &run; });
    }
}

void Shard::drain(StopTask task) {
    const SteadyTime deadline = task.deadline;
    const SteadyTime attended = reactor_.attended_time().at(deadline);
    if (drain_deadline_) {
        drain_deadline_ = std::min(*drain_deadline_, attended);
        return;
    }
    stop_ = std::move(task);
    for (Listener& listener : listeners_) {
        if (deadline > reactor_.now() && !listener.closed()) accept_last(listener);
        listener.close();
    }
    drain_deadline_ = attended;
    reactor_.run_at(deadline, [] {});  // wakes the reactor: drain_slice looks at the time
}

/// Goes round the slots, so that connections that always have more do not keep it from the others.
void Shard::drain_slice() {
    const bool late = reactor_.has_passed(*drain_deadline_);
    if (!late && registry_.size() == partings_.size()) return;
    const TimeShare share = reactor_.share_from_now();
    const std::uint32_t slots = registry_.highest_slot();
    std::uint32_t budget = drains_a_turn;
    for (std::uint32_t left = slots; left > 0 && budget > 0; --left) {
        drain_slot_ = drain_slot_ >= slots ? 1 : drain_slot_ + 1;
        Connection* connection = registry_.in_slot(drain_slot_);
        if (connection == nullptr || connection->dying) continue;
        --budget;
        if (late) {
            close(*connection, CloseReason::shutdown);
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
        return reactor_.has_passed(leaving.deadline) && listener_counters_[leaving.number]->held() > 0;
    };
    if (drain_deadline_ && !drained_ && registry_.size() > 0 && reactor_.has_passed(*drain_deadline_)) return true;
    if (std::any_of(leaving_.begin(), leaving_.end(), is_late)) return true;
    if (paused_) return false;
    if (drain_deadline_ && !drained_ && registry_.size() > partings_.size()) return true;
    return std::any_of(leaving_.begin(), leaving_.end(), [this](const Leaving& leaving) {
        return listener_counters_[leaving.number]->held() > partings_.size_of(leaving.number);
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
    part(connection, CloseReason::shutdown, {}, *drain_deadline_);
}

void Shard::finish_if_drained() {
    if (drained_ || registry_.size() > 0) return;
    drained_ = true;
    // Questions that were still out are answered before the thread ends.
    while (!walks_.empty()) step_walks();
    for (ProbeRun& run : probes_) run.give_up(registry_, policies_, reactor_.now());
    for (const AckWait& wait : ack_waits_) wait.done(false);
    reactor_.stop();
}

}  // namespace holdfast
