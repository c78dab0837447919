#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>

namespace holdfast {

/// Of a whole PROXY header; what is longer is invalid. A v1 header has at most 107 bytes.
inline constexpr std::size_t max_proxy_header = 4'096;

/// What the bytes at the front of a connection are to the PROXY protocol (proxy-protocol.txt, 2.1 and 2.2).
struct ProxyHeader {
    enum class Kind : std::uint8_t {
        partial,  ///< all good so far, and not whole
        relayed,  ///< of a connection from `peer`
        local,    ///< LOCAL or UNKNOWN: the proxy's own, or of somebody it does not know; the peer is the proxy
        invalid,  ///< `detail` says why
    };
    Kind kind = Kind::partial;
    std::size_t size = 0;  ///< of the header, if it is whole
    Endpoint peer;
    std::string_view detail;  ///< static text
};

/// Judges `bytes`, the first of a connection, as a header of `version`, which is never guessed. A verdict other than
/// partial stays the same whatever follows (its detail guesses from what is there). Pure.
[[nodiscard]] ProxyHeader parse_proxy_header(ProxyProtocol version, std::span<const char> bytes);

/// CRC-32C (RFC 9260, appendix A) of `bytes`, going on from `crc`; bit by bit, since a connection needs it once.
[[nodiscard]] std::uint32_t crc32c(std::span<const char> bytes, std::uint32_t crc = 0) noexcept;

}  // namespace holdfast
