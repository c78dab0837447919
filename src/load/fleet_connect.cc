#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "load/fleet.h"
#include "load/pace.h"
#include "tcp/sockaddr.h"

namespace holdfast {

namespace {

// Limits connects under way if no rate is given: more would only fill the listener's queue.
constexpr std::uint32_t max_connecting = 256;
constexpr std::uint64_t max_connects_per_turn = 64;
// A gateway at a limit accepts and closes. The client recognises this only by the short delay.
constexpr std::chrono::seconds turned_away_within{1};

}  // namespace

/// Returns true if more connects can start at once.
bool LoadFleet::connect_more() {
    const bool paced = options_.connects_per_second > 0;
    std::uint64_t allowed = max_connects_per_turn;
    if (paced) allowed = std::min(allowed, connect_pace_.due(reactor_.now()));
    std::uint64_t begun = 0;
    while (begun < allowed && next_ < part_.count && connecting_ < max_connecting) {
        connect(devices_[next_++]);
        ++begun;
    }
    if (paced) connect_pace_.take(begun);
    return !paced && next_ < part_.count && connecting_ < max_connecting;
}

void LoadFleet::connect(LoadDevice& device) {
    device.generation = (device.generation + 1) & 0x7fff'ffff;
    device.connect_began = clock_.steady();
    int error = open_socket(device);
    if (error == 0) {
        SocketAddress to = to_socket_address(options_.to);
        if (::connect(device.fd.get(), to.get(), to.length) != 0 && errno != EINPROGRESS) error = errno;
    }
    if (error == 0) {
        error = reactor_.poller().add(device.fd.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, token_of(device));
    }
    device.state = LoadDevice::State::connecting;
    ++connecting_;
    if (error != 0) connect_failed(device, error);
}

/// Returns 0, or the errno of the failed call.
int LoadFleet::open_socket(LoadDevice& device) {
    device.fd.reset(
        ::socket(options_.to.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!device.fd.valid()) return errno;
    const int fd = device.fd.get();
    const int on = 1;
    if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return errno;
    const int min = 1;  // the kernel raises it to its minimum
    if (device.fault == Fault::stall && ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &min, sizeof min) != 0) return errno;
    if (!options_.source) return 0;
    // connect() then chooses the port. The target is known there, and connections to different targets share a port.
    if (::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0) return errno;
    SocketAddress from = to_socket_address({.address = options_.source->of_device(number_of(device)), .port = 0});
    return ::bind(fd, from.get(), from.length) == 0 ? 0 : errno;
}

void LoadFleet::finish_connect(LoadDevice& device) {
    int error = 0;
    socklen_t length = sizeof error;
    if (::getsockopt(device.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
    if (error != 0) return connect_failed(device, error);
    if (options_.tls == nullptr) return connected(device);
    device.tls = TlsSession::begin(options_.tls, device.fd.get());
    device.tls ? shake_hands(device) : connect_failed(device, ENOMEM);
}

void LoadFleet::connected(LoadDevice& device) {
    using std::chrono::microseconds;
    counts_.connect_latency.observe(std::chrono::duration_cast<microseconds>(clock_.steady() - device.connect_began));
    --connecting_;
    ++counts_.connected;
    ++counts_.connects;
    if (device.connects++ > 0) ++counts_.reconnects;
    if (device.connects == 1 && device.settled) --counts_.never_connected;
    device.state = LoadDevice::State::connected;
    device.tries = 0;
    device.mute = false;
    device.connected_at = reactor_.now();
    if (book_ != nullptr) enter_in_book(device);
    settle(device);
    plan_strike(device);
    if (!options_.id_prefix.empty()) say_hello(device);
    if (device.owed > 0 && device.state == LoadDevice::State::connected) want_to_send(device);
}

void LoadFleet::connect_failed(LoadDevice& device, int error) {
    ++counts_.failed[error];
    drop(device);
    if (!device.settled) ++counts_.never_connected;
    settle(device);
    if (options_.reconnect && !ending_) {
        const double share =
            draw_share(options_.seed, DrawFor::backoff, number_of(device), device.connects + device.tries);
        come_back(device, backoff(device.tries++, share));
    } else {
        forgive(device);
    }
}

void LoadFleet::settle(LoadDevice& device) {
    if (device.settled) return;
    device.settled = true;
    if (++settled_ < part_.count) return;
    on_news_(News::settled);
    report_if_sent();
}

void LoadFleet::ended_by_peer(LoadDevice& device, int error) {
    if (!ending_) {
        ++(error == 0 ? counts_.closed_by_peer : counts_.reset_by_peer);
        if (reactor_.now() - device.connected_at < turned_away_within) ++counts_.turned_away;
    }
    drop(device);
    if (ending_) return end_if_all_left();
    if (!options_.reconnect) return forgive(device);
    const double share = draw_share(options_.seed, DrawFor::backoff, number_of(device), device.connects);
    come_back(device, backoff(device.tries++, share));
}

/// Closes the socket. A partly sent batch is lost with it: its items are owed again.
void LoadFleet::drop(LoadDevice& device) {
    if (device.state == LoadDevice::State::connecting) --connecting_;
    if (device.state == LoadDevice::State::connected) --counts_.connected;
    device.state = LoadDevice::State::apart;
    device.tls.reset();
    if (device.deaf) close_by_reset(device.fd);
    device.fd.reset();
    if (numbered()) {
        take_back(device);
    } else if (options_.items_per_second == 0) {
        device.owed += device.pending_items;
        device.seq -= device.pending_items;
    }
    if (book_ != nullptr) strike_from_book(device);
    device.inbox.clear();
    device.pending_items = device.pending_bad = device.pending_acks = 0;
    device.pending.clear();
    device.sent = 0;
}

void LoadFleet::come_back(LoadDevice& device, std::chrono::milliseconds pause) {
    later(device, pause, &LoadFleet::connect);
}

/// Closes every connection, and reconnects at once.
void LoadFleet::reconnect_all() {
    for (LoadDevice& device : devices_) {
        if (ending_ || device.state != LoadDevice::State::connected || device.deaf) continue;
        drop(device);
        connect(device);
    }
}

}  // namespace holdfast
