#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/kernel.h"
#include "simulation/simulated_tcp.h"
#include "tcp/sockaddr.h"

namespace holdfast {

// The other definition of base/kernel.h: calls about simulated sockets go to SimulatedTcp, all others to the kernel.

namespace {

using std::chrono::milliseconds;

#ifndef TCP_RTO_MAX_MS
constexpr int TCP_RTO_MAX_MS = 44;  // linux/tcp.h since 6.15
#endif

SimulatedTcp::Link* link_of(int fd) {
    SimulatedTcp* tcp = SimulatedTcp::current();
    return tcp == nullptr ? nullptr : tcp->find_link(fd);
}

SimulatedTcp::Listening* listener_of(int fd) {
    SimulatedTcp* tcp = SimulatedTcp::current();
    return tcp == nullptr ? nullptr : tcp->find_listener(fd);
}

/// Returns true if the process that calls has ended in the simulation: its calls about sockets change nothing.
bool is_gone() { return SimulatedTcp::current() != nullptr && !SimulatedTcp::current()->has_process(); }

int fail(int error) {
    errno = error;
    return -1;
}

int milliseconds_of(milliseconds time) { return static_cast<int>(time.count()); }
int seconds_of(milliseconds time) { return static_cast<int>(time / std::chrono::seconds(1)); }

/// Returns the state by net/tcp_states.h, as <netinet/tcp.h> names it.
std::uint8_t state_of(const TcpEnd& end) {
    constexpr std::uint8_t established = 1, fin_wait_1 = 4, fin_wait_2 = 5, time_wait = 6, state_closed = 7,
                           close_wait = 8, last_ack = 9;
    if (end.is_dead()) return state_closed;
    if (end.has_sent_fin() && end.has_received_fin()) return end.is_fin_acked() ? time_wait : last_ack;
    if (end.has_sent_fin()) return end.is_fin_acked() ? fin_wait_2 : fin_wait_1;
    return end.has_received_fin() ? close_wait : established;
}

int tcp_info_of(TcpEnd& end, void* value, socklen_t* length) {
    const SteadyTime now = SimulatedTcp::current()->now();
    const auto since = [now](SteadyTime time) {
        return static_cast<std::uint32_t>(std::chrono::floor<milliseconds>(now - time).count());
    };
    const TcpEnd::Facts facts = end.facts();
    tcp_info info{};
    info.tcpi_state = state_of(end);
    info.tcpi_probes = static_cast<std::uint8_t>(facts.probes);
    info.tcpi_retransmits = static_cast<std::uint8_t>(facts.retransmits);
    info.tcpi_last_data_sent = since(facts.last_sent);
    info.tcpi_last_data_recv = since(facts.last_data);
    info.tcpi_last_ack_recv = since(facts.last_ack);
    info.tcpi_bytes_sent = facts.bytes_sent;
    info.tcpi_bytes_received = facts.bytes_received;
    info.tcpi_bytes_acked = facts.bytes_acked;
    info.tcpi_notsent_bytes = static_cast<std::uint32_t>(facts.not_sent);
    info.tcpi_unacked = facts.segments_out;
    info.tcpi_snd_wnd = static_cast<std::uint32_t>(facts.peer_window);
    info.tcpi_rtt = static_cast<std::uint32_t>(facts.round_trip / std::chrono::microseconds(1));
    *length = std::min<socklen_t>(*length, sizeof info);
    std::memcpy(value, &info, *length);
    return 0;
}

int put_address(const Endpoint& endpoint, sockaddr* into, socklen_t* length) {
    const SocketAddress address = to_socket_address(endpoint);
    std::memcpy(into, address.get(), address.length);
    *length = address.length;
    return 0;
}

int info_of_listener(void* value, socklen_t* length) {
    constexpr std::uint8_t listening = 10;
    tcp_info info{};
    info.tcpi_state = listening;
    *length = std::min<socklen_t>(*length, sizeof info);
    std::memcpy(value, &info, *length);
    return 0;
}

/// Returns an option's value, or nullopt if the simulation lacks it.
std::optional<int> option_of(const TcpOptions& options, int level, int option) {
    if (level == SOL_SOCKET && option == SO_DOMAIN) return AF_INET6;
    if (level == SOL_SOCKET && option == SO_PROTOCOL) return IPPROTO_TCP;
    if (level != IPPROTO_TCP) return option == SO_KEEPALIVE ? std::optional(options.keepalive ? 1 : 0) : std::nullopt;
    switch (option) {
        case TCP_KEEPIDLE:
            return seconds_of(options.idle);
        case TCP_KEEPINTVL:
            return seconds_of(options.interval);
        case TCP_KEEPCNT:
            return options.count;
        case TCP_USER_TIMEOUT:
            return milliseconds_of(options.user_timeout);
        case TCP_RTO_MAX_MS:
            return milliseconds_of(options.rto_max);
        default:
            return std::nullopt;
    }
}

/// Sets an option. Those that the simulation lacks change nothing.
void set_option(TcpOptions& options, int level, int option, int value) {
    if (level == SOL_SOCKET && option == SO_KEEPALIVE) options.keepalive = value != 0;
    if (level != IPPROTO_TCP) return;
    if (option == TCP_KEEPIDLE) options.idle = std::chrono::seconds(value);
    if (option == TCP_KEEPINTVL) options.interval = std::chrono::seconds(value);
    if (option == TCP_KEEPCNT) options.count = value;
    if (option == TCP_USER_TIMEOUT) options.user_timeout = milliseconds(value);
    if (option == TCP_RTO_MAX_MS) options.rto_max = milliseconds(value);
}

}  // namespace

// Here, so that a program with a SimulatedTcp contains this file, too.

SimulatedTcp::SimulatedTcp(SimulatedClock& clock, std::uint64_t seed) : clock_(clock), dice_(seed) { current_ = this; }

SimulatedTcp::~SimulatedTcp() { retire(); }

namespace kernel {

int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) noexcept {
    SimulatedTcp::Listening* listener = listener_of(fd);
    if (listener == nullptr) return ::accept4(fd, peer, length, flags);
    if (is_gone()) return fail(EAGAIN);
    Endpoint from;
    const int accepted = SimulatedTcp::current()->accept(*listener, from);
    if (accepted < 0 || peer == nullptr) return accepted;
    static_cast<void>(put_address(from, peer, length));
    return accepted;
}

ssize_t recv(int fd, void* into, std::size_t size, int flags) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    if (link == nullptr) return ::recv(fd, into, size, flags);
    if (is_gone()) return fail(EAGAIN);
    TcpEnd& end = link->gateway;
    if (end.unread().empty()) {
        if (const int error = end.take_error(); error != 0) return fail(error);
        return end.has_received_fin() || end.is_dead() ? 0 : fail(EAGAIN);
    }
    const std::size_t taken = std::min(size, end.unread().size());
    std::memcpy(into, end.unread().data(), taken);
    if ((flags & MSG_PEEK) == 0) end.consume(taken);
    return static_cast<ssize_t>(taken);
}

ssize_t send(int fd, const void* bytes, std::size_t size, int flags) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    if (link == nullptr) return ::send(fd, bytes, size, flags);
    if (is_gone()) return fail(EAGAIN);
    TcpEnd& end = link->gateway;
    if (const int error = end.take_error(); error != 0) return fail(error);
    if (end.is_dead() || end.has_sent_fin()) return fail(EPIPE);
    const std::size_t taken = end.write({static_cast<const char*>(bytes), size});
    return taken == 0 && size > 0 ? fail(EAGAIN) : static_cast<ssize_t>(taken);
}

int shutdown(int fd, int how) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    if (link == nullptr) return ::shutdown(fd, how);
    if (is_gone()) return 0;
    if (link->gateway.is_dead()) return fail(ENOTCONN);
    link->gateway.shut_down();
    return 0;
}

int close(int fd) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    if (link == nullptr) return ::close(fd);
    if (is_gone()) return 0;
    SimulatedTcp::current()->close_link(*link);
    return 0;
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    SimulatedTcp::Listening* listener = listener_of(fd);
    if (link == nullptr && listener == nullptr) return ::getsockopt(fd, level, option, value, length);
    if (level == IPPROTO_TCP && option == TCP_INFO)
        return link != nullptr ? tcp_info_of(link->gateway, value, length) : info_of_listener(value, length);
    const bool is_error = level == SOL_SOCKET && option == SO_ERROR;
    if (is_error && is_gone()) return fail(EBADF);  // reading it would take it away
    const TcpOptions& options = link != nullptr ? link->gateway.options() : listener->options;
    const auto answer = is_error ? std::optional(link != nullptr ? link->gateway.take_any_error() : 0)
                                 : option_of(options, level, option);
    if (!answer) return fail(ENOPROTOOPT);
    std::memcpy(value, &*answer, sizeof *answer);
    *length = sizeof *answer;
    return 0;
}

int getsockname(int fd, sockaddr* name, socklen_t* length) noexcept {
    const SimulatedTcp::Link* link = link_of(fd);
    const SimulatedTcp::Listening* listener = link != nullptr ? listener_of(link->listener) : listener_of(fd);
    return listener != nullptr ? put_address(listener->address, name, length) : ::getsockname(fd, name, length);
}

int getpeername(int fd, sockaddr* peer, socklen_t* length) noexcept {
    const SimulatedTcp::Link* link = link_of(fd);
    if (link == nullptr) return ::getpeername(fd, peer, length);
    return link->gateway.is_dead() ? fail(ENOTCONN) : put_address(link->peer, peer, length);
}

int setsockopt(int fd, int level, int option, const void* value, socklen_t length) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    SimulatedTcp::Listening* listener = listener_of(fd);
    if (link == nullptr && listener == nullptr) return ::setsockopt(fd, level, option, value, length);
    if (is_gone()) return 0;
    if (level == SOL_SOCKET && option == SO_LINGER) {
        if (link != nullptr) link->discards = true;
        return 0;
    }
    int wanted = 0;
    std::memcpy(&wanted, value, sizeof wanted);
    TcpOptions options = link != nullptr ? link->gateway.options() : listener->options;
    set_option(options, level, option, wanted);
    if (link != nullptr) {
        const bool is_idle = level == IPPROTO_TCP && option == TCP_KEEPIDLE;
        link->gateway.set_options(options, is_idle);
    } else {
        listener->options = options;
    }
    return 0;
}

int ioctl(int fd, unsigned long request, int* value) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    if (link == nullptr) return ::ioctl(fd, request, value);
    *value = static_cast<int>(link->gateway.unread().size());
    return 0;
}

int poll(pollfd* entries, nfds_t count, int timeout_ms) noexcept {
    SimulatedTcp::Link* link = count == 1 ? link_of(entries->fd) : nullptr;
    if (link == nullptr) return ::poll(entries, count, timeout_ms);
    const bool has_ended = link->gateway.has_received_fin() || link->gateway.is_dead();
    entries->revents = has_ended ? POLLRDHUP : short{0};
    return has_ended ? 1 : 0;
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    SimulatedTcp::Link* link = link_of(fd);
    SimulatedTcp::Listening* listener = listener_of(fd);
    if ((link != nullptr || listener != nullptr) && is_gone()) return 0;
    if (link != nullptr) {
        SimulatedTcp::current()->watch(*link, operation, event);
        return 0;
    }
    if (listener == nullptr) return ::epoll_ctl(epoll, operation, fd, event);
    listener->is_watched = operation != EPOLL_CTL_DEL;
    listener->token = event->data.u64;
    return 0;
}

/// Collects events without waiting: the owner of the simulation advances the clock.
int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout_ms) noexcept {
    SimulatedTcp* tcp = SimulatedTcp::current();
    if (tcp == nullptr) return ::epoll_wait(epoll, events, max_events, timeout_ms);
    const int simulated = tcp->collect({events, static_cast<std::size_t>(max_events)});
    const int left = tcp->asks_kernel() ? max_events - simulated : 0;
    const int count = left > 0 ? ::epoll_wait(epoll, events + simulated, left, 0) : 0;
    return simulated + std::max(count, 0);
}

/// Sets no timer while a simulation runs, whose owner knows the reactor's next one.
int timerfd_settime(int fd, int flags, const itimerspec* time, itimerspec* before) noexcept {
    return SimulatedTcp::current() != nullptr ? 0 : ::timerfd_settime(fd, flags, time, before);
}

/// Returns 0 for a simulation, in which computing takes no time.
int clock_gettime(clockid_t clock, timespec* time) noexcept {
    if (SimulatedTcp::current() == nullptr) return ::clock_gettime(clock, time);
    *time = {};
    return 0;
}

}  // namespace kernel

}  // namespace holdfast
