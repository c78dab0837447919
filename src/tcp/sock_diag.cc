#include "tcp/sock_diag.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <thread>

#include "base/unique_fd.h"

namespace holdfast {
namespace {

constexpr std::size_t piece_bytes = 32 * 1024;
constexpr std::chrono::microseconds pause_after_piece{500};
constexpr std::uint32_t connected_states = 1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 |
                                           1U << TCP_CLOSE_WAIT | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING;

/// Requests a dump of all sockets of a family whose local port is `port`. The filter is two instructions of the
/// kernel's byte code: port >= p and port <= p. A failed comparison jumps past the end, which rejects the socket.
struct Request {
    nlmsghdr header;
    inet_diag_req_v2 what;
    rtattr filter;
    std::array<inet_diag_bc_op, 4> code;
};

Request make_request(std::uint8_t family, std::uint16_t port) {
    Request request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.what.sdiag_family = family;
    request.what.sdiag_protocol = IPPROTO_TCP;
    request.what.idiag_states = connected_states;
    request.filter.rta_len = sizeof(rtattr) + sizeof request.code;
    request.filter.rta_type = INET_DIAG_REQ_BYTECODE;
    constexpr unsigned char step = 2 * sizeof(inet_diag_bc_op);
    request.code[0] = {INET_DIAG_BC_S_GE, step, 2 * step + 4};
    request.code[1] = {0, 0, port};
    request.code[2] = {INET_DIAG_BC_S_LE, step, step + 4};
    request.code[3] = {0, 0, port};
    return request;
}

IpAddress to_address(std::uint8_t family, const __be32* words) {
    IpAddress address;
    if (family == AF_INET6) {
        std::memcpy(address.bytes.data(), words, 16);
    } else {
        address.bytes[10] = address.bytes[11] = 0xff;
        std::memcpy(address.bytes.data() + 12, words, 4);
    }
    return address;
}

KernelSocket to_socket(const inet_diag_msg& message) {
    return {.inode = message.idiag_inode,
            .state = message.idiag_state,
            .local = {to_address(message.idiag_family, message.id.idiag_src), ntohs(message.id.idiag_sport)},
            .peer = {to_address(message.idiag_family, message.id.idiag_dst), ntohs(message.id.idiag_dport)}};
}

Error failed(const char* step, int error) {
    return Error{std::string("the kernel's socket table cannot be read (sock_diag, ") + step +
                 "): " + std::strerror(error) + "; allow AF_NETLINK in the sandbox"};
}

using Take = std::function<void(const KernelSocket&)>;

/// Passes on the sockets of one part of the answer. Returns true at its end.
Result<bool> take_piece(std::span<const char> piece, const Take& take) {
    auto left = static_cast<unsigned>(piece.size());
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(piece.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
        if (header->nlmsg_type == NLMSG_DONE) return true;
        if (header->nlmsg_type == NLMSG_ERROR) {
            return failed("dump", -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error);
        }
        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) continue;
        take(to_socket(*static_cast<const inet_diag_msg*>(NLMSG_DATA(header))));
    }
    return false;
}

std::optional<Error> dump(int netlink, std::uint8_t family, std::uint16_t port, const Take& take) {
    const Request request = make_request(family, port);
    if (::send(netlink, &request, sizeof request, 0) != sizeof request) return failed("ask", errno);
    alignas(nlmsghdr) static thread_local std::array<char, piece_bytes> piece;
    while (true) {
        const ssize_t got = ::recv(netlink, piece.data(), piece.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return failed("answer", got < 0 ? errno : EPIPE);
        const auto ended = take_piece({piece.data(), static_cast<std::size_t>(got)}, take);
        if (!ended) return ended.error();
        if (ended.value()) return std::nullopt;
        std::this_thread::sleep_for(pause_after_piece);
    }
}

}  // namespace

std::optional<Error> each_kernel_socket(std::span<const std::uint16_t> local_ports, const Take& take) {
    const UniqueFd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink.valid()) return failed("open", errno);
    for (const std::uint16_t port : local_ports) {
        for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
            if (auto error = dump(netlink.get(), family, port, take)) return error;
        }
    }
    return std::nullopt;
}

}  // namespace holdfast
