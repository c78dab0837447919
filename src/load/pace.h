#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// Counts how many events of a steady rate are due. A delay is made up for, by at most a second's worth, so that no
/// burst follows a pause. One thread; the caller passes the time.
class Pace {
public:
    /// Starts at `start`. With a `per_second` of 0 nothing is ever due.
    Pace(double per_second, SteadyTime start) : per_second_(per_second), last_(start) {}

    /// Returns how many are due at `now` and not taken yet.
    [[nodiscard]] std::uint64_t due(SteadyTime now) noexcept;
    void take(std::uint64_t n) noexcept { credit_ -= static_cast<double>(n); }

private:
    double per_second_;
    double credit_ = 0;
    SteadyTime last_;
};

/// Returns the delay of the next connect after `tries` failures in a row: 0.1 s, doubled each time up to 5 s. `share`
/// in [0, 1) selects between a half of it and all. Pure; any thread.
[[nodiscard]] std::chrono::milliseconds backoff(unsigned tries, double share) noexcept;

}  // namespace holdfast
