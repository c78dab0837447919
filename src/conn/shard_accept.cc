#include <sys/socket.h>

#include <cerrno>

#include "conn/shard.h"
#include "tcp/accept_outcome.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds accept_retry{100};

}  // namespace

/// False: nothing waits any more, or nothing can be taken.
bool Shard::accept_from(Listener& listener, int most) {
    for (int accepted = 0; accepted < most; ++accepted) {
        if (const auto due = admission_.bucket().wait(reactor_.now())) {
            delay_accepting(listener, *due);
            return false;
        }
        SocketAddress peer;
        const int fd = ::accept4(listener.fd(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admission_.bucket().take(reactor_.now());
            resume_accepting(listener);
            admit(listener, fd, to_endpoint(peer));
            continue;
        }
        switch (judge_accept(errno)) {
            case AcceptOutcome::drained:
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
    ListenerCounters& counters = *listener_counters_[listener.index()];
    Admission::Pass pass;
    const ListenerPolicy& policy = policies_[listener.index()];
    auto refused = refuse(policy, peer, pass);
    Connection* connection = refused ? nullptr : registry_.insert();
    if (connection == nullptr) {
        if (!refused) admission_.give_back(peer.address, pass);
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
    connection->opened = connection->last_item = time().tick;
    connection->accept_order = admission_.next_accept_order();
    counters.connections.increment();
    const Token number = registry_.number_of(*connection);
    if (pace_.add(registry_.slot_of(*connection), connection->listener, reactor_.attended())) schedule_step();
    if (policy.has_preamble()) {
        begin_preamble(*connection);
    } else {
        counters.accepted.increment();
        handler_.on_open(*connection, number, time());
    }
    if (const int error = reactor_.poller().add(fd, awaited_events, number); error != 0) {
        end_by_kernel(*connection, error, IoPhase::register_);
    }
}

/// The limit that turns it away. A proxy's connections count for those whom it speaks for, once it has said who.
std::optional<RefusedBy> Shard::refuse(const ListenerPolicy& policy, const Endpoint& peer, Admission::Pass& pass) {
    if (policy.proxy_protocol == ProxyProtocol::off) return admission_.take(peer.address, pass);
    if (!policy.trusts(peer.address)) return RefusedBy::untrusted_proxy;
    return admission_.take_place();
}

void Shard::pause_accepting(Listener& listener, int error) {
    if (!listener.paused()) listener.pause();
    ListenerCounters& counters = *listener_counters_[listener.index()];
    if (counters.accept_paused.get() == 0) {  // once for a shortage, however often it is tried again
        counters.accept_paused.increment();
        counters.refused_descriptors.increment();
        handler_.on_accept_paused(listener.index(), error);
    }
    accept_again_at(listener, reactor_.now() + accept_retry);
}

/// The backlog waits until accept_rate allows for more.
void Shard::delay_accepting(Listener& listener, SteadyTime until) {
    if (!listener.paused()) listener.pause();
    listener_counters_[listener.index()]->accept_delays.increment();
    accept_again_at(listener, until);
}

void Shard::accept_again_at(const Listener& listener, SteadyTime when) {
    reactor_.run_at(when, [this, index = listener.index()] {
        Listener& paused = listeners_[index];
        if (paused.closed() || !paused.paused()) return;
        if (const int again = paused.resume(); again != 0) pause_accepting(paused, again);
    });
}

void Shard::resume_accepting(Listener& listener) {
    ListenerCounters& counters = *listener_counters_[listener.index()];
    if (counters.accept_paused.get() == 0) return;
    counters.accept_paused.decrement();
    handler_.on_accept_resumed(listener.index());
}

}  // namespace holdfast
