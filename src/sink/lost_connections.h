#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "spool/spool.h"

namespace holdfast {

/// Returns the `closed` event, with reason gateway_lost and its '\n', of a connection that an earlier process left open
/// in the spool. What is not known is null. Pure.
[[nodiscard]] std::string lost_closed_line(const LostConnection& lost, WallTime at);

/// A connection of a device with an id, whose end another gateway of the fleet may have told already.
struct FormerConnection {
    std::string conn;
    std::string listener;
    std::string closed_line;
};

/// Result of close_lost().
struct LostConnections {
    std::uint64_t closed = 0;              ///< events written
    std::vector<FormerConnection> former;  ///< left to the fleet
};

/// Writes the missing `closed` events of earlier processes into the spool, before its first append by this one. In a
/// fleet, those of devices with an id are left to it: `former` has them.
[[nodiscard]] LostConnections close_lost(Spool& spool, WallTime now, bool in_fleet);

}  // namespace holdfast
