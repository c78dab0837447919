#include "tcp/peer_state.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/kernel.h"

namespace holdfast {

std::optional<PeerState> read_peer_state(int fd) noexcept {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (kernel::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return std::nullopt;
    const bool open = info.tcpi_state == TCP_ESTABLISHED || info.tcpi_state == TCP_SYN_RECV;
    // The kernel initialises a new socket's time of the last data sent with its creation time
    // (tcp_create_openreq_child).
    return PeerState{.shut = !open, .age = std::chrono::milliseconds(info.tcpi_last_data_sent)};
}

bool has_seen_fin(int fd) noexcept {
    tcp_info info{};
    socklen_t length = sizeof info;
    if (kernel::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return true;
    return info.tcpi_state != TCP_FIN_WAIT1 && info.tcpi_state != TCP_CLOSING && info.tcpi_state != TCP_LAST_ACK;
}

bool has_hung_up(int fd) noexcept {
    pollfd look{fd, POLLRDHUP, 0};
    return kernel::poll(&look, 1, 0) > 0;
}

bool peer_has_shut(int fd) noexcept {
    const auto state = read_peer_state(fd);
    return !state || state->shut;
}

}  // namespace holdfast
