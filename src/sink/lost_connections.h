#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "spool/spool.h"

namespace holdfast {

/// Returns the `closed` event of a connection that an earlier process left open in the spool, with reason gateway_lost
/// and a newline. Unknown values are null. Pure.
[[nodiscard]] std::string lost_closed_line(const LostConnection& lost, WallTime at);

/// A connection of a device with an id, whose end another gateway of the fleet may already have reported.
struct FormerConnection {
    std::string conn;
    std::string listener;
    std::string closed_line;
};

/// Connections that earlier processes have left in the spool for the fleet.
struct SpoolInheritance {
    std::vector<FormerConnection> former;
    std::chrono::milliseconds away{};  ///< since its newest event
    bool has_events = false;
};

/// Result of close_lost().
struct LostConnections {
    std::uint64_t closed = 0;              ///< events written
    std::vector<FormerConnection> former;  ///< closed by the fleet
};

/// Writes the missing `closed` events of earlier processes into the spool. Must be called before the first append of
/// this process. In a fleet, the fleet writes those of devices with an id: `former` lists them.
/// Leaves out those of which `is_kept` returns true: they live. `has_id`: the spool knows the id of its device.
using IsKept = std::function<bool(const std::string& conn, bool has_id)>;
[[nodiscard]] LostConnections close_lost(Spool& spool, WallTime now, bool in_fleet, const IsKept& is_kept = {});

}  // namespace holdfast
