#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>

namespace holdfast {

/// Limits the size of a whole PROXY header; a longer one is invalid. A v1 header has at most 107 bytes.
inline constexpr std::size_t max_proxy_header = 4'096;

/// Result of parsing the first bytes of a connection as a PROXY header (proxy-protocol.txt, 2.1 and 2.2).
struct ProxyHeader {
    enum class Kind : std::uint8_t {
        partial,  ///< valid so far, but incomplete
        relayed,  ///< relayed for a connection from `peer`
        local,    ///< LOCAL or UNKNOWN: the proxy's own connection or one without an address; the peer is the proxy
        invalid,  ///< `detail` says why
    };
    Kind kind = Kind::partial;
    std::size_t size = 0;  ///< of the header, if it is complete
    Endpoint peer;
    std::string_view detail;  ///< static text
};

/// Parses `bytes`, the first of a connection, as a header of `version`, which is never guessed. A result other than
/// partial is final, whatever bytes follow. Pure.
[[nodiscard]] ProxyHeader parse_proxy_header(ProxyProtocol version, std::span<const char> bytes);

/// Returns true if a whole header declares the connection the own one of `proxy`, the socket's peer. The header is
/// LOCAL or UNKNOWN, or its source is that peer, as with `send-proxy check` of HAProxy.
[[nodiscard]] bool is_proxys_own(const ProxyHeader& header, const Endpoint& proxy) noexcept;

/// Returns the CRC-32C (RFC 9260, appendix A) of `bytes`, continued from `crc`. Bit by bit, since a connection needs it
/// once.
[[nodiscard]] std::uint32_t crc32c(std::span<const char> bytes, std::uint32_t crc = 0) noexcept;

}  // namespace holdfast
