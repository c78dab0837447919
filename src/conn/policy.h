#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include <holdfast/liveness.h>

#include "base/clock.h"

namespace holdfast {

/// What holds for the connections of one listener: its liveness plan and its deadlines.
struct ListenerPolicy {
    LivenessPlan plan;
    std::optional<std::chrono::milliseconds> read_idle;
    std::optional<std::chrono::milliseconds> write_stall;  ///< nothing: the plan's bound holds for a closed window too
    std::chrono::milliseconds item_deadline{};
    std::size_t downlink_queue = 0;  ///< bytes

    // Since when they hold, for a connection that is older: nobody is judged by a bound for the time before it.
    Tick plan_since;
    Tick deadlines_since;  ///< read_idle and item_deadline

    /// Longer than the kernel's own time-out: that must then be raised while a window is closed.
    [[nodiscard]] bool outlasts_kernel() const { return write_stall && *write_stall > plan.user_timeout; }
};

}  // namespace holdfast
