#include "testing/simulated_kernel.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/kernel.h"
#include "tcp/sockaddr.h"

namespace holdfast {

SimulatedKernel::SimulatedKernel(const Clock& clock) : clock_(clock) {
    HOLDFAST_CHECK(current_ == nullptr);
    current_ = this;
}

SimulatedKernel::~SimulatedKernel() { current_ = nullptr; }

SimulatedKernel::Socket* SimulatedKernel::find(int fd) {
    const auto found = sockets_.find(fd);
    return found == sockets_.end() ? nullptr : &found->second;
}

int SimulatedKernel::listen() {
    sockets_[next_fd_].listening = true;
    return next_fd_++;
}

void SimulatedKernel::fail_accept(int listener, int error) { sockets_.at(listener).accept_error = error; }

int SimulatedKernel::connect(int listener, const Endpoint& peer) {
    const int fd = next_fd_++;
    Socket& socket = sockets_[fd];
    socket.peer = peer;
    socket.made = socket.heard_at = now();
    sockets_.at(listener).backlog.push_back(fd);
    return fd;
}

int SimulatedKernel::accept(Socket& listener, Endpoint& peer) {
    errno = listener.accept_error != 0 ? listener.accept_error : EAGAIN;
    if (listener.accept_error != 0 || listener.backlog.empty()) return -1;
    const int fd = listener.backlog.front();
    listener.backlog.pop_front();
    peer = sockets_.at(fd).peer;
    return fd;
}

void SimulatedKernel::send(int fd, std::string_view bytes) {
    Socket& socket = sockets_.at(fd);
    socket.arrived += bytes;
    socket.heard_at = now();
    notify(socket, EPOLLIN);
}

void SimulatedKernel::finish(int fd) {
    Socket& socket = sockets_.at(fd);
    socket.peer_finished = true;
    socket.heard_at = now();
    notify(socket, EPOLLIN | EPOLLRDHUP);
}

void SimulatedKernel::reset(int fd) { give_up(fd, ECONNRESET); }

void SimulatedKernel::give_up(int fd, int error) {
    Socket& socket = sockets_.at(fd);
    if (error == ECONNRESET) socket.arrived.clear();  // net/ipv4/tcp_input.c, tcp_reset
    socket.error = error;
    socket.dead = true;
    notify(socket, EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
}

void SimulatedKernel::set_alive(int fd, bool alive) { sockets_.at(fd).alive = alive; }

void SimulatedKernel::set_window_closed(int fd, bool closed) {
    Socket& socket = sockets_.at(fd);
    socket.window_closed = closed;
    socket.heard_at = now();
    if (!closed) socket.held_up = 0;
}

void SimulatedKernel::acknowledge(int fd) {
    Socket& socket = sockets_.at(fd);
    socket.acked = socket.sent.size() - socket.held_up;
    socket.heard_at = now();
}

void SimulatedKernel::set_room(int fd, std::size_t bytes) {
    Socket& socket = sockets_.at(fd);
    socket.room = bytes;
    if (bytes > 0) notify(socket, EPOLLOUT);
}

void SimulatedKernel::close(Socket& socket) {
    socket.closed = true;
    socket.reset_by_gateway = !socket.listening && (socket.lingers_zero || !socket.arrived.empty());
    socket.is_watched = false;
    socket.edges = 0;
}

/// Forces a probe if the socket has been silent for at least `idle`, as the kernel does. A living peer answers at once.
void SimulatedKernel::force_probe(Socket& socket, std::chrono::seconds idle) {
    if (now() - socket.heard_at < idle) return;
    ++socket.probes_forced;
    ++socket.probes;
    if (!socket.alive) return;
    socket.heard_at = now();
    socket.probes = 0;
}

void SimulatedKernel::notify(Socket& socket, std::uint32_t events) { socket.edges |= events; }

/// Reports listening sockets level-triggered and connections edge-triggered.
int SimulatedKernel::collect(epoll_event* events, int max_events) {
    int count = 0;
    for (auto& [fd, socket] : sockets_) {
        if (count == max_events) break;
        if (!socket.is_watched) continue;
        const std::uint32_t always = EPOLLERR | EPOLLHUP;
        const bool is_ready = socket.listening && (!socket.backlog.empty() || socket.accept_error != 0);
        const std::uint32_t ready =
            socket.listening ? (is_ready ? EPOLLIN : 0U) : socket.edges & (socket.watched | always);
        socket.edges &= ~ready;
        if (ready == 0) continue;
        events[count].events = ready;
        events[count++].data.u64 = socket.token;
    }
    return count;
}

namespace {

SimulatedKernel::Socket* simulated(int fd) {
    SimulatedKernel* kernel = SimulatedKernel::current();
    return kernel == nullptr ? nullptr : kernel->find(fd);
}

SimulatedKernel& current() { return *SimulatedKernel::current(); }

int fail(int error) {
    errno = error;
    return -1;
}

// Values of net/tcp_states.h. <netinet/tcp.h> has the names, but an older tcp_info.
constexpr std::uint8_t established = 1;
constexpr std::uint8_t fin_wait_1 = 4;
constexpr std::uint8_t fin_wait_2 = 5;
constexpr std::uint8_t state_closed = 7;
constexpr std::uint8_t close_wait = 8;

int tcp_info_of(const SimulatedKernel::Socket& socket, void* value, socklen_t* length) {
    using std::chrono::milliseconds;
    const auto since = [](SteadyTime time) {
        return static_cast<std::uint32_t>(std::chrono::floor<milliseconds>(current().now() - time).count());
    };
    tcp_info info{};
    info.tcpi_state = established;
    if (socket.peer_finished) info.tcpi_state = close_wait;
    if (socket.shut_down) info.tcpi_state = socket.alive ? fin_wait_2 : fin_wait_1;
    if (socket.dead) info.tcpi_state = state_closed;
    info.tcpi_probes = static_cast<std::uint8_t>(socket.probes);
    info.tcpi_last_data_sent = since(socket.made);
    info.tcpi_last_data_recv = since(socket.heard_at);
    info.tcpi_last_ack_recv = since(socket.heard_at);
    info.tcpi_bytes_sent = socket.sent.size() - socket.held_up;
    info.tcpi_notsent_bytes = static_cast<std::uint32_t>(socket.held_up);
    info.tcpi_bytes_acked = socket.acked;
    info.tcpi_unacked = info.tcpi_bytes_sent > socket.acked ? 1 : 0;
    info.tcpi_snd_wnd = socket.window_closed ? 0 : static_cast<std::uint32_t>(socket.room);
    info.tcpi_rtt = 1'000;
    *length = std::min<socklen_t>(*length, sizeof info);
    std::memcpy(value, &info, *length);
    return 0;
}

}  // namespace

namespace kernel {

int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::accept4(fd, peer, length, flags);
    Endpoint from;
    const int accepted = current().accept(*socket, from);
    if (accepted < 0) return -1;
    const SocketAddress name = to_socket_address(from);
    std::memcpy(peer, name.get(), name.length);
    *length = name.length;
    return accepted;
}

ssize_t recv(int fd, void* into, std::size_t size, int flags) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::recv(fd, into, size, flags);
    ++socket->reads;
    if (socket->arrived.empty()) {
        if (const int error = std::exchange(socket->error, 0); error != 0) return fail(error);
        return socket->peer_finished || socket->dead ? 0 : fail(EAGAIN);
    }
    const std::size_t taken = std::min(size, socket->arrived.size());
    std::memcpy(into, socket->arrived.data(), taken);
    if ((flags & MSG_PEEK) == 0) socket->arrived.erase(0, taken);
    return static_cast<ssize_t>(taken);
}

ssize_t send(int fd, const void* bytes, std::size_t size, int flags) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::send(fd, bytes, size, flags);
    if (const int error = std::exchange(socket->error, 0); error != 0) return fail(error);
    if (socket->dead || socket->shut_down) return fail(EPIPE);
    const std::size_t taken = std::min(size, socket->room);
    if (taken == 0) return fail(EAGAIN);
    socket->room -= taken;
    socket->sent.append(static_cast<const char*>(bytes), taken);
    if (socket->window_closed) socket->held_up += taken;
    if (!socket->alive || socket->window_closed) return static_cast<ssize_t>(taken);
    socket->acked = socket->sent.size();
    socket->heard_at = current().now();
    return static_cast<ssize_t>(taken);
}

int shutdown(int fd, int how) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::shutdown(fd, how);
    if (socket->dead) return fail(ENOTCONN);
    socket->shut_down = true;
    return 0;
}

int close(int fd) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::close(fd);
    current().close(*socket);
    return 0;
}

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::getsockopt(fd, level, option, value, length);
    if (level == IPPROTO_TCP && option == TCP_INFO) return tcp_info_of(*socket, value, length);
    const bool is_error = level == SOL_SOCKET && option == SO_ERROR;
    const int answer = is_error ? std::exchange(socket->error, 0) : socket->options[{level, option}];
    std::memcpy(value, &answer, sizeof answer);
    *length = sizeof answer;
    return 0;
}

int getsockname(int fd, sockaddr* name, socklen_t* length) noexcept { return ::getsockname(fd, name, length); }

int getpeername(int fd, sockaddr* peer, socklen_t* length) noexcept { return ::getpeername(fd, peer, length); }

int setsockopt(int fd, int level, int option, const void* value, socklen_t length) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::setsockopt(fd, level, option, value, length);
    if (level == SOL_SOCKET && option == SO_LINGER) {
        socket->lingers_zero = true;
        return 0;
    }
    int wanted = 0;
    std::memcpy(&wanted, value, sizeof wanted);
    socket->options[{level, option}] = wanted;
    if (level == IPPROTO_TCP && option == TCP_KEEPIDLE) current().force_probe(*socket, std::chrono::seconds(wanted));
    return 0;
}

int ioctl(int fd, unsigned long request, int* value) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::ioctl(fd, request, value);
    *value = static_cast<int>(socket->arrived.size());
    return 0;
}

int poll(pollfd* entries, nfds_t count, int timeout_ms) noexcept {
    SimulatedKernel::Socket* socket = count == 1 ? simulated(entries->fd) : nullptr;
    if (socket == nullptr) return ::poll(entries, count, timeout_ms);
    entries->revents = socket->peer_finished || socket->dead ? POLLRDHUP : short{0};
    return entries->revents != 0 ? 1 : 0;
}

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    SimulatedKernel::Socket* socket = simulated(fd);
    if (socket == nullptr) return ::epoll_ctl(epoll, operation, fd, event);
    socket->is_watched = operation != EPOLL_CTL_DEL;
    socket->watched = event->events;
    socket->token = event->data.u64;
    // Readiness at registration is reported once, as by epoll_ctl(2).
    if (!socket->arrived.empty()) socket->edges |= EPOLLIN;
    if (socket->peer_finished) socket->edges |= EPOLLIN | EPOLLRDHUP;
    if (socket->room > 0) socket->edges |= EPOLLOUT;
    return 0;
}

/// Collects events without waiting; only the test moves its clock.
int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout_ms) noexcept {
    if (SimulatedKernel::current() == nullptr) return ::epoll_wait(epoll, events, max_events, timeout_ms);
    const int simulated_count = current().collect(events, max_events);
    const int left = max_events - simulated_count;
    const int count = left > 0 ? ::epoll_wait(epoll, events + simulated_count, left, 0) : 0;
    return simulated_count + std::max(count, 0);
}

}  // namespace kernel

}  // namespace holdfast
