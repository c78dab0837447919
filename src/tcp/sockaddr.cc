#include "tcp/sockaddr.h"

#include <cstring>

namespace holdfast {

SocketAddress to_socket_address(const Endpoint& endpoint) noexcept {
    SocketAddress address;
    if (endpoint.address.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(endpoint.port);
        std::memcpy(&v4.sin_addr, endpoint.address.bytes.data() + 12, 4);
        std::memcpy(&address.storage, &v4, sizeof v4);
        address.length = sizeof v4;
        return address;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.bytes.data(), 16);
    std::memcpy(&address.storage, &v6, sizeof v6);
    address.length = sizeof v6;
    return address;
}

Endpoint to_endpoint(const SocketAddress& address) noexcept {
    Endpoint endpoint;
    if (address.storage.ss_family == AF_INET) {
        sockaddr_in v4;
        std::memcpy(&v4, &address.storage, sizeof v4);
        endpoint.address.bytes[10] = endpoint.address.bytes[11] = 0xff;
        std::memcpy(endpoint.address.bytes.data() + 12, &v4.sin_addr, 4);
        endpoint.port = ntohs(v4.sin_port);
    } else if (address.storage.ss_family == AF_INET6) {
        sockaddr_in6 v6;
        std::memcpy(&v6, &address.storage, sizeof v6);
        std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, 16);
        endpoint.port = ntohs(v6.sin6_port);
    }
    return endpoint;
}

}  // namespace holdfast
