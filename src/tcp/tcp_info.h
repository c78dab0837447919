#pragma once

#include <chrono>
#include <optional>

#include <holdfast/events.h>

namespace holdfast {

/// The evidence, plus the fields that only the liveness decision needs.
struct TcpFacts {
    Evidence evidence;
    std::uint32_t unacked_segments = 0;     ///< in flight; the kernel resets it at the end
    std::uint64_t acked_bytes = 0;          ///< acknowledged since the connection began
    std::chrono::milliseconds last_sent{};  ///< time since the last segment with data, also a retransmission

    /// Returns true if the peer has answered the latest probe behind its closed window: a window probe, or a
    /// retransmission of bytes in flight.
    [[nodiscard]] bool answered_behind_window() const {
        const bool is_in_flight = evidence.unacked_bytes > evidence.unsent_bytes;
        return evidence.probes == 0 && (!is_in_flight || evidence.last_ack <= last_sent);
    }
};

/// Reads TCP_INFO (tcp(7); linux/tcp.h) in about 1.3 us. Returns nullopt if the kernel refuses. Works on a socket in
/// error, too.
[[nodiscard]] std::optional<TcpFacts> read_tcp_facts(int fd) noexcept;

}  // namespace holdfast
