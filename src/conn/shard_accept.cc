#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "conn/shard.h"
#include "tcp/accept_outcome.h"
#include "tcp/peer_state.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds accept_retry{100};

}  // namespace

/// False: nothing waits any more, or nothing can be taken.
bool Shard::accept_from(Listener& listener, int most) {
    for (int accepted = 0; accepted < most; ++accepted) {
        SocketAddress peer;
        const int fd = ::accept4(listener.fd(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            resume_accepting(listener);
            admit(listener, fd, to_endpoint(peer));
            continue;
        }
        switch (judge_accept(errno)) {
            case AcceptOutcome::drained:
                resume_accepting(listener);  // accept4 takes a descriptor before it looks for a connection
                listener.set_outdated_queue(false);
                return false;
            case AcceptOutcome::try_again:
                break;
            case AcceptOutcome::pause:
            case AcceptOutcome::defect:
                pause_accepting(listener, errno);
                return false;
        }
    }
    return true;
}

void Shard::admit(Listener& listener, int fd, const Endpoint& peer) {
    ListenerCounters& counters = *core_.listener_counters[listener.index()];
    Admission::Pass pass;
    const ListenerPolicy& policy = core_.policies[listener.index()];
    auto refused = refuse(policy, peer, pass);
    if (refused == RefusedBy::max_connections && make_place(peer.address)) refused = refuse(policy, peer, pass);
    Connection* connection = refused ? nullptr : core_.registry.insert();
    if (connection == nullptr) {
        if (!refused) core_.admission.give_back(peer.address, pass);
        counters.refused[static_cast<std::size_t>(refused.value_or(RefusedBy::max_connections))].increment();
        ::close(fd);  // an orderly end: the device sees that it was turned away, not that the network failed
        return;
    }
    connection->counts_for_peer = pass.peer;
    connection->counts_for_prefix = pass.prefix;
    if (listener.outdated_queue()) static_cast<void>(change_plan(fd, policy.plan));
    connection->fd = fd;
    connection->listener = listener.index();
    connection->peer = peer;
    connection->accept_order = core_.admission.next_accept_order();
    const Token number = core_.number_of(*connection);
    if (pace_.add(core_.registry.slot_of(*connection), connection->listener, core_.reactor.now())) schedule_step();
    enter_or_wait(*connection);
    if (const int error = core_.reactor.poller().add(fd, awaited_events, number); error != 0) {
        core_.close_by_kernel(*connection, error, IoPhase::register_);
    }
}

/// A peer that has already shut down costs no turn of accept_rate: a storm of reconnects leaves more of these in the
/// backlog than living ones, and they would use up the rate.
void Shard::enter_or_wait(Connection& connection) {
    AcceptBucket& bucket = core_.admission.bucket();
    if (!bucket.limits()) return enter(connection, Entry::paid);
    if (peer_has_shut(connection.fd)) return enter(connection, Entry::corpse);
    if (accept_queue_.empty() && bucket.try_take(core_.reactor.now())) return enter(connection, Entry::paid);
    wait_for_turn(connection);
}

void Shard::enter(Connection& connection, Entry entry) {
    connection.opened = connection.last_item = core_.time().tick;
    note_backlog_wait(connection);
    ListenerCounters& counters = core_.counters_of(connection);
    counters.connections.increment();
    if (core_.policy_of(connection).has_preamble()) return begin_preamble(connection, entry);
    counters.accepted.increment();
    core_.handler.on_open(connection, core_.number_of(connection), core_.time());
}

void Shard::note_backlog_wait(Connection& connection) {
    constexpr std::int64_t max_tenths = Connection::max_backlog_wait;
    const auto state = read_peer_state(connection.fd);
    const std::int64_t tenths = state ? state->age / std::chrono::milliseconds(100) : 0;
    connection.backlog_wait = static_cast<std::uint8_t>(std::min(tenths, max_tenths)) & 0x7fU;
}

AcceptTime Shard::accept_time_of(const Connection& connection) const {
    const bool is_beyond = connection.backlog_wait == Connection::max_backlog_wait;
    // Until the first byte is sent, the kernel still has the time.
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

/// The limit that turns it away. A proxy's connections count for those whom it speaks for, once it has said who.
std::optional<RefusedBy> Shard::refuse(const ListenerPolicy& policy, const Endpoint& peer, Admission::Pass& pass) {
    if (policy.proxy_protocol == ProxyProtocol::off) return core_.admission.take(peer.address, pass);
    if (!policy.trusts(peer.address)) return RefusedBy::untrusted_proxy;
    return core_.admission.take_place();
}

void Shard::pause_accepting(Listener& listener, int error) {
    if (!listener.paused()) listener.pause();
    ListenerCounters& counters = *core_.listener_counters[listener.index()];
    if (counters.accept_paused.get() == 0) {  // once for a shortage, however often it is tried again
        counters.accept_paused.increment();
        counters.refused_descriptors.increment();
        core_.handler.on_accept_paused(listener.index(), error);
    }
    accept_again_at(listener, core_.reactor.now() + accept_retry);
}

void Shard::accept_again_at(const Listener& listener, SteadyTime when) {
    core_.reactor.run_at(when, [this, index = listener.index()] {
        Listener& paused = listeners_[index];
        if (paused.closed() || !paused.paused()) return;
        if (const int again = paused.resume(); again != 0) return pause_accepting(paused, again);
        static_cast<void>(accept_from(paused, 1));  // with nothing in the queue, no event would end the shortage
    });
}

void Shard::resume_accepting(Listener& listener) {
    ListenerCounters& counters = *core_.listener_counters[listener.index()];
    if (counters.accept_paused.get() == 0) return;
    counters.accept_paused.decrement();
    core_.handler.on_accept_resumed(listener.index());
}

}  // namespace holdfast
