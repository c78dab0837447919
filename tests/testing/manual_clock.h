#pragma once

#include <chrono>

#include "base/clock.h"

namespace holdfast {

/// A clock that stands until a test advances it.
class ManualClock final : public Clock {
public:
    [[nodiscard]] SteadyTime steady() const override { return SteadyTime{elapsed_}; }
    [[nodiscard]] WallTime wall() const override {
        return WallTime{std::chrono::floor<std::chrono::milliseconds>(elapsed_) + step_};
    }
    void advance(std::chrono::nanoseconds by) { elapsed_ += by; }
    void step_wall(std::chrono::milliseconds by) { step_ += by; }

private:
    std::chrono::nanoseconds elapsed_{std::chrono::hours(1)};
    std::chrono::milliseconds step_{};
};

}  // namespace holdfast
