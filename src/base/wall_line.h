#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"

namespace holdfast {

/// Maps monotonic time to wall-clock time by the present clock. A stamp and the age behind it stay consistent over
/// steps of the clock. Ignores the jitter between two readings. A value; one thread.
class WallLine {
public:
    /// Takes a reading of both clocks. Returns the step of the wall clock since the last call, or zero.
    std::chrono::milliseconds follow(SteadyTime now, WallTime wall) {
        const WallTime zero = wall - std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
        if (!zero_) zero_ = zero;
        const auto step = zero - *zero_;
        if (std::chrono::abs(step) <= jitter) return std::chrono::milliseconds(0);
        zero_ = zero;
        return step;
    }
    /// Returns the wall-clock time of `at`. Call follow() before.
    [[nodiscard]] WallTime at(SteadyTime at) const {
        return zero_.value_or(WallTime()) + std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch());
    }

private:
    static constexpr std::chrono::milliseconds jitter{200};  // a thread may pause between its two readings

    std::optional<WallTime> zero_;  // the wall-clock time of the monotonic clock's zero
};

/// Returns the time of `at` by the present clock. `stamp` is its time by the clock of then.
[[nodiscard]] inline WallTime by_present_clock(SteadyTime at, WallTime stamp, const Clock& clock) {
    WallLine line;
    line.follow(at, stamp);
    line.follow(clock.steady(), clock.wall());
    return line.at(at);
}

}  // namespace holdfast
