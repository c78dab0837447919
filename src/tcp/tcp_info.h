#pragma once

#include <optional>

#include <holdfast/events.h>

namespace holdfast {

/// Evidence plus what only the liveness decision needs.
struct TcpFacts {
    Evidence evidence;
    std::uint32_t unacked_segments = 0;  ///< in flight now; the kernel resets it at death
    std::uint64_t acked_bytes = 0;       ///< acknowledged since the connection began
};

/// Reads TCP_INFO (tcp(7); linux/tcp.h): about 1.3 us. Nothing if the kernel refuses; a socket in error still answers.
[[nodiscard]] std::optional<TcpFacts> read_tcp_facts(int fd) noexcept;

}  // namespace holdfast
