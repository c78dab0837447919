#pragma once

#include <holdfast/endpoint.h>

namespace holdfast {

// Pure; any thread. IPv4 addresses are in their mapped form.

/// Returns true for 127.0.0.0/8 (RFC 1122, 3.2.1.3) and ::1 (RFC 4291, 2.5.3).
[[nodiscard]] bool is_loopback(const IpAddress& address);

/// Returns true for 0.0.0.0 and ::, with which a listener accepts on every address of the host.
[[nodiscard]] bool is_unspecified(const IpAddress& address);

/// Returns true for loopback, link-local and private addresses (RFC 1918, RFC 3927, RFC 4193, RFC 4291).
[[nodiscard]] bool is_private(const IpAddress& address);

/// Returns the address with all but its first `bits` of 128 set to zero.
[[nodiscard]] IpAddress masked(const IpAddress& address, unsigned bits) noexcept;

}  // namespace holdfast
