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

    /// The longest silence that a connection's end may come after; behind a closed window that `write_stall` allows for
    /// longer, silence shows only when that is over. Half a second is for what reads the clocks.
    [[nodiscard]] std::chrono::milliseconds longest_silence() const {
        const bool window_may_hide_it = write_stall && *write_stall > plan.detect_within;
        return plan.detect_within + (window_may_hide_it ? *write_stall : std::chrono::milliseconds(500));
    }

    /// Longer than the kernel's own time-out: that must then be raised while a window is closed.
    [[nodiscard]] bool outlasts_kernel() const { return write_stall && *write_stall > plan.user_timeout; }
};

}  // namespace holdfast
