#pragma once

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// A load generator pointed at a stranger is a weapon: refuses what is not private (base/address_kind.h) unless
/// `any_target`, and port 0. Pure; any thread.
[[nodiscard]] Result<Endpoint> check_target(const Endpoint& target, bool any_target);

}  // namespace holdfast
