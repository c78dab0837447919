#pragma once

#include <chrono>

#include "base/clock.h"

namespace holdfast {

/// Simulated time. Only its owner advances it. One thread.
class SimulatedClock final : public Clock {
public:
    [[nodiscard]] SteadyTime steady() const override { return now_; }
    [[nodiscard]] WallTime wall() const override {
        return std::chrono::floor<std::chrono::milliseconds>(wall_start + (now_ - start));
    }
    void advance_to(SteadyTime time) {
        if (time > now_) now_ = time;
    }

    /// The first moment: an hour of monotonic time, so that earlier times exist.
    static constexpr SteadyTime start{std::chrono::hours(1)};

private:
    static constexpr std::chrono::sys_days wall_start{std::chrono::year(2030) / 1 / 1};

    SteadyTime now_ = start;
};

}  // namespace holdfast
