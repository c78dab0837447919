#include "tcp/inherited_socket.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/kernel.h"
#include "tcp/sockaddr.h"

namespace holdfast {

namespace {

// States of TCP_INFO (linux/tcp.h, TCP_ESTABLISHED and the others).
constexpr unsigned established = 1, time_wait = 6, closed = 7, close_wait = 8, last_ack = 9, listening = 10,
                   closing = 11;
constexpr int attempts = 4;
constexpr std::uint64_t as_in_connection = (std::uint64_t{1} << 52) - 1;

std::optional<int> int_option(int fd, int level, int option) noexcept {
    int value = 0;
    socklen_t length = sizeof value;
    if (kernel::getsockopt(fd, level, option, &value, &length) != 0) return std::nullopt;
    return value;
}

bool has_fin(unsigned state) noexcept {
    return state == close_wait || state == last_ack || state == closing || state == time_wait;
}

/// Returns the bytes that the socket received and that were read. Bytes may arrive between the two system calls: the
/// number of unread bytes must be the same before and after.
std::optional<std::uint64_t> bytes_read(int fd, tcp_info& info) noexcept {
    for (int attempt = 0; attempt < attempts; ++attempt) {
        int before = 0, after = 0;
        socklen_t length = sizeof info;
        if (kernel::ioctl(fd, SIOCINQ, &before) != 0) return std::nullopt;
        if (kernel::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
        if (kernel::ioctl(fd, SIOCINQ, &after) != 0 || before < 0) return std::nullopt;
        if (before != after) continue;
        // FIN takes a number in the sequence, which tcpi_bytes_received includes (net/ipv4/tcp_input.c).
        const std::uint64_t fin = has_fin(info.tcpi_state) ? 1 : 0;
        const std::uint64_t not_read = static_cast<std::uint64_t>(before) + fin;
        if (info.tcpi_bytes_received < not_read) return std::nullopt;
        return (info.tcpi_bytes_received - not_read) & as_in_connection;
    }
    return std::nullopt;
}

}  // namespace

bool is_tcp_socket(int fd) noexcept {
    const auto domain = int_option(fd, SOL_SOCKET, SO_DOMAIN);
    return domain && (*domain == AF_INET || *domain == AF_INET6) &&
           int_option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP;
}

/// Adds what is acknowledged and what is not. An acknowledgement may arrive between the two system calls.
std::optional<std::uint64_t> read_bytes_written(int fd) noexcept {
    for (int attempt = 0; attempt < attempts; ++attempt) {
        int before = 0, after = 0;
        tcp_info info{};
        socklen_t length = sizeof info;
        if (kernel::ioctl(fd, SIOCOUTQ, &before) != 0) return std::nullopt;
        if (kernel::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
        if (kernel::ioctl(fd, SIOCOUTQ, &after) != 0 || before < 0) return std::nullopt;
        if (before == after) return (info.tcpi_bytes_acked + static_cast<std::uint64_t>(before)) & as_in_connection;
    }
    return std::nullopt;
}

std::optional<InheritedSocket> read_inherited_socket(int fd) noexcept {
    if (!is_tcp_socket(fd)) return std::nullopt;
    tcp_info info{};
    socklen_t length = sizeof info;
    if (kernel::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
    InheritedSocket socket{
        .listens = info.tcpi_state == listening, .ended = {}, .peer = {}, .local = {}, .bytes_read = {}};
    SocketAddress address;
    if (kernel::getsockname(fd, address.get(), &address.length) == 0) socket.local = to_endpoint(address);
    if (socket.listens) return socket;
    SocketAddress peer;
    socket.ended = info.tcpi_state == closed || kernel::getpeername(fd, peer.get(), &peer.length) != 0;
    if (socket.ended) return socket;
    socket.peer = to_endpoint(peer);
    if (info.tcpi_state == established || has_fin(info.tcpi_state)) socket.bytes_read = bytes_read(fd, info);
    return socket;
}

}  // namespace holdfast
