#pragma once

#include <chrono>

#include "base/clock.h"

namespace holdfast {

/// A clock that stands until a test advances it.
class ManualClock final : public Clock {
public:
    [[nodiscard]] SteadyTime steady() const override { return SteadyTime{elapsed_}; }
    [[nodiscard]] WallTime wall() const override {
        return WallTime{std::chrono::floor<std::chrono::milliseconds>(elapsed_)};
    }
    void advance(std::chrono::nanoseconds by) { elapsed_ += by; }

private:
    std::chrono::nanoseconds elapsed_{std::chrono::hours(1)};
};

}  // namespace holdfast
