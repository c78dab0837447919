#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <holdfast/endpoint.h>

#include "base/clock.h"

namespace holdfast {

/// Simulates sockets on the test's clock. Replaces the kernel (base/kernel.h) for the descriptors that it created and
/// passes all others on. At most one exists at a time. One thread.
class SimulatedKernel {
public:
    explicit SimulatedKernel(const Clock& clock);
    SimulatedKernel(const SimulatedKernel&) = delete;
    SimulatedKernel& operator=(const SimulatedKernel&) = delete;
    ~SimulatedKernel();

    /// Returns a listening socket.
    [[nodiscard]] int listen();
    /// Makes accept4(2) on `listener` fail with `error` from now on; 0 means success.
    void fail_accept(int listener, int error);

    /// Connects a peer. Returns the descriptor that accept4(2) will return.
    int connect(int listener, const Endpoint& peer);

    // Actions of the peer of `fd`.
    void send(int fd, std::string_view bytes);
    void finish(int fd);  ///< sends FIN
    void reset(int fd);
    /// Sets whether the peer answers probes and acknowledges FIN and data.
    void set_alive(int fd, bool alive);
    /// Sets whether the peer's window is closed. If so, the bytes that follow wait in the send buffer. Once it
    /// opens, they are in flight until acknowledge().
    void set_window_closed(int fd, bool closed);
    void acknowledge(int fd);
    void hear(int fd) { sockets_.at(fd).heard_at = now(); }  ///< a segment without progress
    /// Sets the free bytes in the send buffer.
    void set_room(int fd, std::size_t bytes);
    /// Ends the connection in the kernel with `error`.
    void give_up(int fd, int error);

    // Actions of the gateway.
    [[nodiscard]] const std::string& sent(int fd) const { return sockets_.at(fd).sent; }
    [[nodiscard]] bool is_closed(int fd) const { return sockets_.at(fd).closed; }
    /// Returns true if the peer got RST: with bytes unread, or by SO_LINGER.
    [[nodiscard]] bool was_reset(int fd) const { return sockets_.at(fd).reset_by_gateway; }
    [[nodiscard]] bool has_sent_fin(int fd) const { return sockets_.at(fd).shut_down; }
    [[nodiscard]] int probes_forced(int fd) const { return sockets_.at(fd).probes_forced; }
    [[nodiscard]] std::size_t unread(int fd) const { return sockets_.at(fd).arrived.size(); }
    [[nodiscard]] int reads(int fd) const { return sockets_.at(fd).reads; }
    /// Returns the value that setsockopt(2) was given last, or 0.
    [[nodiscard]] int option(int fd, int level, int name) const {
        const auto& options = sockets_.at(fd).options;
        const auto found = options.find({level, name});
        return found == options.end() ? 0 : found->second;
    }

    // Calls of base/kernel.h. find() returns nullptr if this kernel did not create the descriptor.
    struct Socket {
        bool listening = false;
        std::deque<int> backlog = {};
        int accept_error = 0;
        Endpoint peer = {};

        std::string arrived = {};
        bool peer_finished = false;
        int error = 0;      ///< SO_ERROR
        bool dead = false;  ///< reset or given up
        bool alive = true;
        SteadyTime made = {};
        SteadyTime heard_at = {};
        std::uint32_t probes = 0;
        std::string sent = {};
        std::size_t acked = 0;
        std::size_t held_up = 0;  ///< bytes at the end of `sent` that wait for the window
        bool window_closed = false;
        std::size_t room = std::size_t{1} << 20;
        bool shut_down = false;
        bool closed = false;
        bool reset_by_gateway = false;
        bool lingers_zero = false;
        int probes_forced = 0;
        int reads = 0;
        std::map<std::pair<int, int>, int> options = {};

        std::uint32_t watched = 0;
        std::uint64_t token = 0;
        bool is_watched = false;
        std::uint32_t edges = 0;  ///< edges not reported yet
    };
    [[nodiscard]] static SimulatedKernel* current() { return current_; }
    [[nodiscard]] Socket* find(int fd);
    [[nodiscard]] int accept(Socket& listener, Endpoint& peer);
    void close(Socket& socket);
    void force_probe(Socket& socket, std::chrono::seconds idle);
    void notify(Socket& socket, std::uint32_t events);
    [[nodiscard]] int collect(epoll_event* events, int max_events);
    [[nodiscard]] SteadyTime now() const { return clock_.steady(); }

private:
    static inline SimulatedKernel* current_ = nullptr;

    const Clock& clock_;
    std::map<int, Socket> sockets_;
    int next_fd_ = first_fd;
    static constexpr int first_fd = 1 << 20;
};

}  // namespace holdfast
