#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include <holdfast/result.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// An IP address: IPv6, with IPv4 in its mapped form (RFC 4291, 2.5.5.2), which is printed as IPv4.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};

    [[nodiscard]] bool is_v4() const noexcept;
    friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

/// A remote address and port. Not an identity: it can recur while an older connection from it still lives.
struct Endpoint {
    IpAddress address = {};
    std::uint16_t port = 0;

    friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// An address prefix: "10.2.0.0/16", "2001:db8::/32", or one address without a length.
struct Prefix {
    IpAddress address = {};
    unsigned bits = 0;  ///< of the 128; an IPv4 /16 is 112

    [[nodiscard]] bool contains(const IpAddress& other) const noexcept;
    friend bool operator==(const Prefix&, const Prefix&) = default;
};

[[nodiscard]] std::string to_string(const IpAddress& address);
[[nodiscard]] std::string to_string(const Endpoint& endpoint);  ///< "10.2.0.9:51514", "[2001:db8::1]:51514"
[[nodiscard]] std::string to_string(const Prefix& prefix);

/// Parses "10.2.0.9" or "2001:db8::1" (brackets allowed).
[[nodiscard]] Result<IpAddress> parse_ip_address(std::string_view text);
/// Parses "127.0.0.1:7000" or "[::]:7000"; names are not resolved. Port 0 lets the kernel choose.
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);
/// Parses "10.2.0.0/16", "10.2.0.9" or "2001:db8::/32"; host bits must be zero.
[[nodiscard]] Result<Prefix> parse_prefix(std::string_view text);

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
