#include "conn/listeners.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "base/kernel.h"
#include "conn/finalizer.h"
#include "conn/preamble.h"
#include "conn/receiver.h"
#include "conn/sweeper.h"
#include "tcp/close_cause.h"
#include "tcp/peer_state.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds accept_retry{100};
constexpr int accepts_per_turn = 256;
constexpr int accepts_when_late = 16;  // the turn's share for readiness is spent
constexpr int last_accepts = 16;       // limit on rounds; the kernel resets the rest of the backlog
constexpr int max_entries_per_turn = 256;

std::uint8_t backlog_wait_of(int fd) {
    constexpr std::int64_t max_tenths = Connection::max_backlog_wait;
    const auto state = read_peer_state(fd);
    const std::int64_t tenths = state ? state->age / std::chrono::milliseconds(100) : 0;
    return static_cast<std::uint8_t>(std::min(tenths, max_tenths));
}

}  // namespace

void Listeners::add(UniqueFd socket) {
    HOLDFAST_CHECK(sockets_.size() < core_.policies.listeners());
    sockets_.emplace_back(std::move(socket), static_cast<std::uint8_t>(sockets_.size()), core_.reactor.poller());
}

void Listeners::on_ready(std::size_t number) {
    Listener& listener = sockets_[number];
    const bool late = core_.reactor.first_share().is_spent();
    if (!listener.closed() && !listener.paused()) accept_from(listener, late ? accepts_when_late : accepts_per_turn);
}

void Listeners::resume(Listener& listener) {
    if (const int error = listener.resume(); error != 0) pause(listener, error);
}

void Listeners::accept_rest(Listener& listener) {
    if (listener.inherited()) return;
    for (int round = 0; round < last_accepts && !listener.paused(); ++round) {
        if (!accept_from(listener, accepts_per_turn)) return;
    }
}

void Listeners::close(Listener& listener) {
    listener.close();
    end_pause(listener);
}

/// Returns false if the backlog is empty or accepting fails.
bool Listeners::accept_from(Listener& listener, int max) {
    for (int accepted = 0; accepted < max; ++accepted) {
        SocketAddress peer;
        const int fd = kernel::accept4(listener.fd(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            end_pause(listener);
            admit(listener, fd, to_endpoint(peer));
            continue;
        }
        switch (classify_accept(errno)) {
            case AcceptOutcome::drained:
                end_pause(listener);  // accept4 allocates a descriptor before it checks the backlog
                listener.set_outdated_queue(false);
                return false;
            case AcceptOutcome::try_again:
                break;
            case AcceptOutcome::pause:
            case AcceptOutcome::defect:
                pause(listener, errno);
                return false;
        }
    }
    return true;
}

void Listeners::admit(Listener& listener, int fd, const Endpoint& peer) {
    ListenerCounters& counters = *core_.listener_counters[listener.index()];
    AdmissionGuard guard;
    const ListenerPolicy& policy = core_.policies.of_listener(listener.index());
    auto refused = refuse(policy, peer, guard);
    if (refused == RefusedBy::max_connections && make_place(peer.address)) refused = refuse(policy, peer, guard);
    Connection* connection = refused ? nullptr : core_.registry.insert();
    if (connection == nullptr) {
        if (!refused) core_.admission.give_back(peer.address, guard);
        counters.refused[static_cast<std::size_t>(refused.value_or(RefusedBy::max_connections))].increment();
        kernel::close(fd);  // an orderly end shows the device a refusal, not a network failure
        return;
    }
    connection->counts_for_peer = guard.peer;
    connection->counts_for_prefix = guard.prefix;
    if (listener.outdated_queue()) static_cast<void>(change_plan(fd, policy.plan));
    connection->fd = fd;
    connection->listener = listener.index();
    connection->peer = peer;
    connection->accept_order = core_.admission.next_accept_order();
    sweeper_.add(*connection);
    enter_or_wait(*connection);
    if (const int error = core_.reactor.poller().add(fd, awaited_events, core_.number_of(*connection)); error != 0) {
        core_.close_by_kernel(*connection, error, IoPhase::register_);
    }
}

bool Listeners::admit_stray(int fd, const InheritedSocket& socket) {
    for (Listener& listener : sockets_) {
        const auto local = listener.closed() ? Result<Endpoint>(Endpoint{}) : local_endpoint(listener.fd());
        if (!local || local.value().port != socket.local.port) continue;
        admit(listener, fd, socket.peer);
        return true;
    }
    return false;
}

/// Returns the limit that refuses the connection, or nullopt. A trusted proxy takes only a slot: the peer limits apply
/// to the peer in its header.
std::optional<RefusedBy> Listeners::refuse(const ListenerPolicy& policy, const Endpoint& peer, AdmissionGuard& guard) {
    if (policy.proxy_protocol == ProxyProtocol::off) return core_.admission.take(peer.address, guard);
    if (!policy.trusts(peer.address)) return RefusedBy::untrusted_proxy;
    return core_.admission.take_place();
}

/// Frees a place when all are taken, some by waiting connections. Refuses the latest waiting connection of the source
/// with most, if the newcomer's source has fewer. The handler does not know that connection, so it is finalized at
/// once.
bool Listeners::make_place(const IpAddress& newcomer) {
    const auto latest = queue_.crowding_out(newcomer);
    Connection* connection = latest ? core_.registry.find(*latest) : nullptr;
    if (connection == nullptr) return false;
    preamble_.turn_away(*connection, RefusedBy::max_connections);
    finalizer_.finalize_latest();
    return true;
}

/// Admits the connection or queues it for accept_rate. A peer that has shut down already uses no turn. After a storm of
/// reconnects the backlog holds more such connections than living ones, and they would use up the rate.
void Listeners::enter_or_wait(Connection& connection) {
    RateLimiter& bucket = core_.admission.bucket();
    if (!bucket.limits()) return enter(connection, false);
    if (peer_has_shut(connection.fd)) return enter(connection, true);
    if (preamble_.is_health_check(connection)) return enter(connection, false);
    if (queue_.empty() && bucket.try_take(core_.reactor.now())) return enter(connection, false);
    wait_for_turn(connection);
}

void Listeners::enter(Connection& connection, bool peer_has_shut) {
    connection.opened = connection.last_item = core_.time().tick;
    connection.backlog_wait = backlog_wait_of(connection.fd) & 0x7fU;
    ListenerCounters& counters = core_.counters_of(connection);
    counters.connections.increment();
    if (core_.policy_of(connection).has_preamble()) return preamble_.begin(connection, peer_has_shut);
    counters.accepted.increment();
    connection.stage = Stage::unidentified;
    core_.handler.on_open(connection, core_.number_of(connection), core_.time());
}

// Beyond accept_rate, connections are accepted but not read, and the handler does not know them. In the kernel's
// backlog they would delay connections of other sources.

void Listeners::wait_for_turn(Connection& connection) {
    connection.opened = connection.last_item = core_.time().tick;
    preamble_.wait_for_turn(connection);
    queue_.add(connection.peer.address, core_.number_of(connection));
    ListenerCounters& counters = core_.counters_of(connection);
    counters.accept_waiting.increment();
    counters.accept_delays.increment();
    schedule_turns();
}

void Listeners::quit_queue(Connection& connection) {
    queue_.remove(core_.number_of(connection));
    core_.counters_of(connection).accept_waiting.decrement();
}

void Listeners::enter_from_queue(Connection& connection, bool peer_has_shut) {
    quit_queue(connection);
    preamble_.end_wait(connection);
    enter(connection, peer_has_shut);
    receiver_.read_later(connection);  // the poller may have reported input during the wait
}

void Listeners::step_waiting(Connection& connection) {
    if (peer_has_shut(connection.fd)) return enter_from_queue(connection, true);
    if (sockets_[connection.listener].closed() || preamble_.is_health_check(connection))
        enter_from_queue(connection, false);
}

void Listeners::schedule_turns() {
    if (reserved_turns_ > 0 || queue_.empty()) return;
    const auto reserved = core_.admission.bucket().reserve(core_.reactor.now(), queue_.size());
    reserved_turns_ = reserved.turns;
    core_.reactor.run_at(reserved.when, [this] { take_turns(); });
}

void Listeners::take_turns() {
    RateLimiter& bucket = core_.admission.bucket();
    std::int64_t left = std::exchange(reserved_turns_, 0);
    for (int entries = 0; entries < max_entries_per_turn && !queue_.empty(); ++entries) {
        if (left == 0 && !bucket.try_take(core_.reactor.now())) break;
        if (left > 0) --left;
        // next() removes the queue entry; quit_queue() updates the counter.
        Connection* connection = core_.registry.find(*queue_.next());
        if (connection != nullptr) enter_from_queue(*connection, false);
    }
    bucket.give_back(left);
    schedule_turns();
}

void Listeners::pause(Listener& listener, int error) {
    if (!listener.paused()) listener.pause();
    ListenerCounters& counters = *core_.listener_counters[listener.index()];
    if (counters.accept_paused.get() == 0) {  // once per shortage, regardless of retries
        counters.accept_paused.increment();
        counters.refused_descriptors.increment();
        core_.handler.on_accept_paused(listener.index(), error);
    }
    retry_at(listener, core_.reactor.now() + accept_retry);
}

void Listeners::retry_at(const Listener& listener, SteadyTime when) {
    core_.reactor.run_at(when, [this, number = listener.index()] {
        Listener& paused = sockets_[number];
        if (paused.closed() || !paused.paused()) return;
        if (const int again = paused.resume(); again != 0) return pause(paused, again);
        static_cast<void>(accept_from(paused, 1));  // with an empty backlog, no event would end the shortage
    });
}

void Listeners::end_pause(Listener& listener) {
    ListenerCounters& counters = *core_.listener_counters[listener.index()];
    if (counters.accept_paused.get() == 0) return;
    counters.accept_paused.decrement();
    core_.handler.on_accept_resumed(listener.index());
}

AcceptTime Listeners::accept_time_of(const Connection& connection) const {
    const bool is_beyond = connection.backlog_wait == Connection::max_backlog_wait;
    // The kernel keeps the exact time until the first byte is sent.
    if (is_beyond && connection.bytes_out == 0 && !connection.encrypted) {
        if (const auto state = read_peer_state(connection.fd)) {
            return {.established = core_.reactor.now() - state->age,
                    .or_earlier = false,
                    .accept_order = connection.accept_order};
        }
    }
    return {
        .established = core_.steady_of(connection.opened) - std::chrono::milliseconds(100) * connection.backlog_wait,
        .or_earlier = is_beyond,
        .accept_order = connection.accept_order};
}

}  // namespace holdfast
