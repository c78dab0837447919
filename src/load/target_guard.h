#pragma once

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// Loopback, link-local, or private (RFC 1918, RFC 3927, RFC 4193, RFC 4291). Pure; any thread.
[[nodiscard]] bool is_own_ground(const IpAddress& address);

/// A load generator pointed at a stranger is a weapon: refuses other targets unless `any_target`, and port 0.
[[nodiscard]] Result<Endpoint> check_target(const Endpoint& target, bool any_target);

}  // namespace holdfast
