#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace holdfast {

/// Readings of the kernel's clocks at one moment.
struct ClockReading {
    std::string boot;                        ///< identifies the boot of the machine; empty if unknown
    std::chrono::milliseconds since_boot{};  ///< includes time in suspend (CLOCK_BOOTTIME)
    WallTime wall;
};

/// Returns the readings of this machine. Any thread.
[[nodiscard]] ClockReading read_system_clocks();

/// Clock for the ages of events. Starts at the wall time of the spool's first start and advances with elapsed time
/// only. Neither a step of the wall clock nor the time between two boots moves the clock. Any thread after start().
class SpoolClock {
public:
    explicit SpoolClock(std::function<ClockReading()> read) : read_(std::move(read)) {}

    /// Continues from the text that stored() returned in an earlier process. Without such a text, the clock begins at
    /// `newest`, the time of the newest event, or at the wall time if there is no event. Must be called before any
    /// other thread uses the clock.
    void start(std::string_view stored, std::optional<WallTime> newest);

    [[nodiscard]] WallTime now() const { return to_spool_time(read_()); }
    [[nodiscard]] WallTime wall() const { return read_().wall; }
    /// Returns true if the time since the earlier process is known because it ran in the same boot.
    [[nodiscard]] bool knows_time_away() const { return knows_time_away_; }
    /// Converts a time of the earlier process on this clock to the wall time that the process saw.
    [[nodiscard]] WallTime former_wall(WallTime time) const { return time + former_difference_; }

    /// Returns the step of the wall clock since the last call, or nullopt if it is below `smallest_step`. The first
    /// call also reports a step between the earlier process and start(). One thread.
    [[nodiscard]] std::optional<std::chrono::milliseconds> take_step();
    /// Returns the present readings as a line of text for start().
    [[nodiscard]] std::string stored() const;

    static constexpr std::chrono::milliseconds smallest_step{1'000};

private:
    [[nodiscard]] WallTime to_spool_time(const ClockReading& reading) const {
        return began_ + (reading.since_boot - began_since_boot_);
    }
    [[nodiscard]] std::chrono::milliseconds difference(const ClockReading& reading) const {
        return reading.wall - to_spool_time(reading);
    }

    const std::function<ClockReading()> read_;
    std::string boot_;
    WallTime began_;
    std::chrono::milliseconds began_since_boot_{};
    bool knows_time_away_ = false;
    std::chrono::milliseconds former_difference_{};  // wall clock minus this clock, in the earlier process
    std::chrono::milliseconds difference_{};         // wall clock minus this clock, at the last take_step()
};

}  // namespace holdfast
