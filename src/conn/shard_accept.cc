#include <sys/socket.h>

#include <cerrno>

#include "conn/shard.h"
#include "tcp/accept_outcome.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr int accepts_per_turn = 256;
constexpr std::chrono::milliseconds accept_retry{100};

}  // namespace

/// False: nothing waits any more, or nothing can be taken.
bool Shard::accept_from(Listener& listener) {
    for (int accepted = 0; accepted < accepts_per_turn; ++accepted) {
        SocketAddress peer;
        const int fd = ::accept4(listener.fd(), peer.get(), &peer.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
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
    const bool room = quota_.take();
    Connection* connection = room ? registry_.insert() : nullptr;
    if (connection == nullptr) {
        if (room) quota_.give_back();
        counters.refused_max_connections.increment();
        ::close(fd);  // an orderly end: the device sees that it was turned away, not that the network failed
        return;
    }
    if (listener.outdated_queue()) static_cast<void>(change_plan(fd, policies_[listener.index()].plan));
    connection->fd = fd;
    connection->listener = listener.index();
    connection->peer = peer;
    connection->opened = connection->last_item = time().tick;
    counters.accepted.increment();
    counters.connections.increment();
    const Token number = registry_.number_of(*connection);
    handler_.on_open(*connection, number, time());
    if (const int error = reactor_.poller().add(fd, EPOLLIN | EPOLLRDHUP | EPOLLET, number); error != 0) {
        end_by_kernel(*connection, error, IoPhase::register_);
    }
}

void Shard::pause_accepting(Listener& listener, int error) {
    if (!listener.paused()) listener.pause();
    ListenerCounters& counters = *listener_counters_[listener.index()];
    if (counters.accept_paused.get() == 0) {  // once for a shortage, however often it is tried again
        counters.accept_paused.increment();
        counters.refused_descriptors.increment();
        handler_.on_accept_paused(listener.index(), error);
    }
    reactor_.run_at(reactor_.now() + accept_retry, [this, index = listener.index()] {
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
