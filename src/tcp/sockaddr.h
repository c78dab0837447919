#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include <holdfast/endpoint.h>

namespace holdfast {

/// A socket address of either family in the kernel's layout.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = sizeof(sockaddr_storage);

    [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
    [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

[[nodiscard]] SocketAddress to_socket_address(const Endpoint& endpoint) noexcept;
[[nodiscard]] Endpoint to_endpoint(const SocketAddress& address) noexcept;

}  // namespace holdfast
