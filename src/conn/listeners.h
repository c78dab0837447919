#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/unique_fd.h"
#include "conn/accept_queue.h"
#include "conn/admission.h"
#include "conn/core.h"
#include "reactor/poller.h"
#include "tcp/inherited_socket.h"

namespace holdfast {

/// Listening socket of a listener on one reactor. Owns the socket. A paused one leaves the poller, since a
/// level-triggered socket would spin while descriptors are short. The reactor's thread; ends with close().
class Listener {
public:
    Listener(UniqueFd socket, std::uint8_t index, Poller& poller)
        : socket_(std::move(socket)), index_(index), poller_(poller) {}

    /// Adds the socket to the poller. Returns 0 or the errno of epoll_ctl.
    [[nodiscard]] int resume() {
        const int error = poller_.add(socket_.get(), EPOLLIN, token_of(index_));
        paused_ = error != 0;
        return error;
    }
    void pause() {
        poller_.remove(socket_.get());
        paused_ = true;
    }
    void close() { replace(UniqueFd()); }
    /// Closes the old socket. The new one accepts after resume().
    void replace(UniqueFd socket) {
        if (socket_.valid() && !paused_) pause();  // a duplicate of the program's would stay in the poller
        socket_ = std::move(socket);
        paused_ = true;
    }

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool closed() const noexcept { return !socket_.valid(); }
    [[nodiscard]] std::uint8_t index() const noexcept { return index_; }
    [[nodiscard]] bool paused() const noexcept { return paused_; }

    /// Marks a duplicate of a socket that another program has, too. Its backlog outlives this listener.
    void set_inherited(bool inherited) noexcept { inherited_ = outdated_queue_ = inherited; }
    [[nodiscard]] bool inherited() const noexcept { return inherited_; }
    /// Sets whether connections in the backlog inherited an outdated plan.
    void set_outdated_queue(bool outdated) noexcept { outdated_queue_ = outdated; }
    [[nodiscard]] bool outdated_queue() const noexcept { return outdated_queue_; }

    [[nodiscard]] static Token token_of(std::uint8_t index) noexcept { return reactor_token_bit | index; }
    [[nodiscard]] static bool is_listener(Token token) noexcept { return (token & reactor_token_bit) != 0; }
    [[nodiscard]] static std::size_t index_of(Token token) noexcept { return token & 0xff; }

private:
    UniqueFd socket_;
    std::uint8_t index_;
    Poller& poller_;
    bool paused_ = true;
    bool outdated_queue_ = false;
    bool inherited_ = false;
};

class Finalizer;
class Preamble;
class Receiver;
class Sweeper;

/// Accepts the connections of a shard. Owns its listening sockets, the pause of accepting while descriptors are short,
/// and the queue of accept_rate. The shard's thread.
class Listeners {
public:
    Listeners(Core& core, Finalizer& finalizer, Preamble& preamble, Receiver& receiver, Sweeper& sweeper)
        : core_(core), finalizer_(finalizer), preamble_(preamble), receiver_(receiver), sweeper_(sweeper) {}

    /// Adds the socket of the next listener, which accepts after resume().
    void add(UniqueFd socket);
    [[nodiscard]] std::size_t size() const { return sockets_.size(); }
    [[nodiscard]] Listener& operator[](std::size_t number) { return sockets_[number]; }

    /// Accepts after the poller reported the socket readable.
    void on_ready(std::size_t number);
    /// Starts or resumes accepting; pauses if epoll_ctl fails.
    void resume(Listener& listener);
    /// Accepts the connections in the backlog, which close(2) on the socket would reset. Those of an inherited socket
    /// wait for its next listener instead.
    void accept_rest(Listener& listener);
    /// Admits a connection that an earlier process accepted, and of which nothing was read. Returns false if no
    /// listener has its local address.
    [[nodiscard]] bool admit_stray(int fd, const InheritedSocket& socket);
    /// Closes the socket and ends a pause.
    void close(Listener& listener);

    /// Handles an event of a connection that waits for accept_rate. If its peer, its listener or the gateway ends,
    /// admits it without using the rate, so that what was sent is read.
    void step_waiting(Connection& connection);
    /// Removes a connection from the queue of accept_rate.
    void quit_queue(Connection& connection);

    /// Returns the start time of the connection, comparable across reactors; see accepted_before().
    [[nodiscard]] AcceptTime accept_time_of(const Connection& connection) const;

private:
    bool accept_from(Listener& listener, int max);
    void admit(Listener& listener, int fd, const Endpoint& peer);
    [[nodiscard]] std::optional<RefusedBy> refuse(const ListenerPolicy& policy, const Endpoint& peer,
                                                  AdmissionGuard& guard);
    [[nodiscard]] bool make_place(const IpAddress& newcomer);
    void enter_or_wait(Connection& connection);
    void enter(Connection& connection, bool peer_has_shut);
    void wait_for_turn(Connection& connection);
    void enter_from_queue(Connection& connection, bool peer_has_shut);
    void schedule_turns();
    void take_turns();
    void pause(Listener& listener, int error);
    void end_pause(Listener& listener);
    void retry_at(const Listener& listener, SteadyTime when);

    Core& core_;
    Finalizer& finalizer_;
    Preamble& preamble_;
    Receiver& receiver_;
    Sweeper& sweeper_;
    std::vector<Listener> sockets_;  // by listener number
    AcceptQueue queue_;
    std::int64_t reserved_turns_ = 0;  // turns of accept_rate; a timer is set while this is positive
};

}  // namespace holdfast
