#pragma once

#include <holdfast/endpoint.h>

namespace holdfast {

// Pure; any thread. IPv4 addresses are those in their mapped form.

/// 127.0.0.0/8 (RFC 1122, 3.2.1.3) or ::1 (RFC 4291, 2.5.3).
[[nodiscard]] bool is_loopback(const IpAddress& address);

/// 0.0.0.0 or ::, by which a listener takes every address of the host.
[[nodiscard]] bool is_unspecified(const IpAddress& address);

/// Loopback, link-local, or private (RFC 1918, RFC 3927, RFC 4193, RFC 4291): no stranger's.
[[nodiscard]] bool is_private(const IpAddress& address);

}  // namespace holdfast
