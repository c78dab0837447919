#include "conformance/device_link.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "tcp/sockaddr.h"

namespace holdfast {
namespace {

constexpr std::size_t max_frame = std::size_t{16} << 20;
constexpr int backlog = 16;

int milliseconds_until(SteadyTime deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

void set_option(int fd, int level, int name, int value) { (void)::setsockopt(fd, level, name, &value, sizeof value); }

}  // namespace

Result<DeviceLink> DeviceLink::listen(const Endpoint& endpoint, const FrameRules& rules) {
    SocketAddress address = to_socket_address(endpoint);
    UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.valid()) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (!fd.valid() || ::bind(fd.get(), address.get(), address.length) != 0 || ::listen(fd.get(), backlog) != 0) {
        return Error{"cannot listen on " + to_string(endpoint) + ": " + std::strerror(errno) +
                     "; give --to a free address of this host"};
    }
    return DeviceLink(std::move(fd), rules);
}

Endpoint DeviceLink::address() const {
    SocketAddress address;
    (void)::getsockname(listening_.get(), address.get(), &address.length);
    return to_endpoint(address);
}

bool DeviceLink::accept(SteadyTime deadline) {
    connection_.reset();
    window_.clear();
    scan_ = {};
    at_start_ = true;
    pollfd wait{listening_.get(), POLLIN, 0};
    if (::poll(&wait, 1, milliseconds_until(deadline)) <= 0) return false;
    connection_.reset(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection_.valid()) set_option(connection_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    return connection_.valid();
}

DeviceLink::Got DeviceLink::read(std::string& frame, SteadyTime deadline) {
    wire_bytes_ = 0;
    while (true) {
        Got got = next_of_window(frame);
        if (got == Got::nothing) got = receive(deadline);
        if (got != Got::frame || !frame.empty()) return got;
    }
}

/// Cuts the next frame out of the received bytes. Returns nothing if they have no whole frame.
DeviceLink::Got DeviceLink::next_of_window(std::string& frame) {
    frame.clear();
    if (at_start_) {
        const auto start = skip_byte_order_mark(window_);
        if (!start) return Got::nothing;
        window_.erase(0, *start);
        wire_bytes_ = *start;
        at_start_ = window_.empty();
    }
    const Frame cut = next_frame(rules_, window_, scan_, max_frame);
    if (cut.kind == Frame::Kind::item) frame = window_.substr(cut.begin, cut.end - cut.begin);
    if (cut.kind == Frame::Kind::malformed || cut.kind == Frame::Kind::too_large) {
        frame = window_.substr(cut.begin, 64);
        window_.clear();
        scan_ = {};
        return Got::broken;
    }
    wire_bytes_ += cut.next;
    window_.erase(0, cut.next);
    return cut.kind == Frame::Kind::item ? Got::frame : Got::nothing;
}

/// Reads more bytes. Returns frame if there are some.
DeviceLink::Got DeviceLink::receive(SteadyTime deadline) {
    if (!connection_.valid()) return Got::ended;
    std::array<pollfd, 2> both{pollfd{connection_.get(), POLLIN, 0}, pollfd{listening_.get(), POLLIN, 0}};
    if (had_two_) both[1].fd = -1;
    if (::poll(both.data(), both.size(), milliseconds_until(deadline)) <= 0) return Got::nothing;
    std::array<char, 65536> bytes;
    const ssize_t count = ::recv(connection_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (count > 0) {
        window_.append(bytes.data(), static_cast<std::size_t>(count));
        return Got::frame;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        // A device that ended the first connection did so before it opened the second.
        if ((both[1].revents & POLLIN) != 0) had_two_ = true;
        return Got::frame;
    }
    connection_.reset();
    return Got::ended;
}

std::string DeviceLink::framed(std::string_view json) const {
    std::string out;
    append_framed(out, rules_, json);
    return out;
}

void DeviceLink::say(std::string_view json, std::chrono::milliseconds pause) {
    const std::string bytes = framed(json);
    if (pause.count() == 0) return send(bytes);
    for (const char& byte : bytes) {
        send({&byte, 1});
        std::this_thread::sleep_for(pause);
    }
}

void DeviceLink::send(std::string_view bytes) {
    while (!bytes.empty() && connection_.valid()) {
        const ssize_t count = ::send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count < 0 && errno != EINTR) return;
        bytes.remove_prefix(count > 0 ? static_cast<std::size_t>(count) : 0);
    }
}

void DeviceLink::reset() {
    if (!connection_.valid()) return;
    const linger at_once{1, 0};
    (void)::setsockopt(connection_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connection_.reset();
}

bool DeviceLink::finish(SteadyTime deadline) {
    if (!connection_.valid()) return true;
    (void)::shutdown(connection_.get(), SHUT_WR);
    while (std::chrono::steady_clock::now() < deadline) {
        window_.clear();
        const Got got = receive(deadline);
        if (got == Got::ended) return true;
    }
    return false;
}

}  // namespace holdfast
