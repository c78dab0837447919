#pragma once

#include <cstdint>
#include <optional>

#include <holdfast/endpoint.h>

namespace holdfast {

/// Facts of the kernel about a TCP socket that an earlier process left open.
struct InheritedSocket {
    bool listens = false;
    bool ended = false;  ///< the kernel has no peer for it any more: it was reset, or given up
    Endpoint peer;       ///< if it neither listens nor ended
    Endpoint local;
    /// Bytes of the peer that were read, modulo 2^52 as in Connection; nullopt if the kernel does not show them.
    std::optional<std::uint64_t> bytes_read;
};

/// Returns true if the descriptor is open, and a TCP socket.
[[nodiscard]] bool is_tcp_socket(int fd) noexcept;

/// Returns the bytes that the kernel took for the peer, modulo 2^52; nullopt if it does not show them. For a socket
/// that was accepted and whose own direction is open.
[[nodiscard]] std::optional<std::uint64_t> read_bytes_written(int fd) noexcept;

/// Returns nullopt if the descriptor is no TCP socket, or is not open.
[[nodiscard]] std::optional<InheritedSocket> read_inherited_socket(int fd) noexcept;

}  // namespace holdfast
