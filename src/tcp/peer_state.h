#pragma once

#include <chrono>
#include <optional>

namespace holdfast {

/// Describes a connection to which nothing was sent yet, as read from the kernel.
struct PeerState {
    bool shut = false;                ///< the peer sent FIN or RST, or the kernel gave the connection up
    std::chrono::milliseconds age{};  ///< time since TCP's handshake completed, until the first byte is sent
};

/// Reads TCP_INFO (tcp(7)). Returns nullopt if the kernel refuses. Detects a FIN behind unread bytes.
[[nodiscard]] std::optional<PeerState> read_peer_state(int fd) noexcept;

/// Returns true if the peer has sent FIN or RST, or the kernel has given the connection up.
[[nodiscard]] bool peer_has_shut(int fd) noexcept;

/// Returns true if the peer has sent FIN or RST, or if the kernel has given the connection up, as poll(2) reports it.
/// Unread bytes in front of the FIN, and bytes sent since, make no difference.
[[nodiscard]] bool has_hung_up(int fd) noexcept;

/// Returns true if the peer's kernel has acknowledged the FIN that was sent to it, or the connection has ended.
[[nodiscard]] bool has_seen_fin(int fd) noexcept;

}  // namespace holdfast
