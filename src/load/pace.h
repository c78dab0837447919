#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// How many of something that happens at a steady rate are due. What was missed is made up for, but not more than a
/// second's worth, so that a pause is not followed by a flood. One thread; time is the caller's.
class Pace {
public:
    /// `per_second` of 0: nothing is ever due.
    Pace(double per_second, SteadyTime start) : per_second_(per_second), last_(start) {}

    /// Due at `now` and not taken yet.
    [[nodiscard]] std::uint64_t due(SteadyTime now) noexcept;
    void take(std::uint64_t n) noexcept { credit_ -= static_cast<double>(n); }

private:
    double per_second_;
    double credit_ = 0;
    SteadyTime last_;
};

/// How long to wait before connecting again after `tries` failures in a row: 0.1 s doubled each time up to 5 s, of
/// which between a half and all, as `share` in [0, 1) says. Pure; any thread.
[[nodiscard]] std::chrono::milliseconds backoff(unsigned tries, double share) noexcept;

}  // namespace holdfast
