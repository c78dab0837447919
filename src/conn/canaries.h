#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// How many connections of a reactor, drawn at random, are asked ahead of time so that a partition shows within a
/// second: at most `most_a_second`. Pure but for its own debt.
class Canaries {
public:
    static constexpr double most_a_second = 64;

    explicit Canaries(SteadyTime start) : last_(start) {}

    /// Returns how many to ask now. `rate` is what asking each connection once in its own round takes, per second.
    [[nodiscard]] std::uint32_t take(SteadyTime now, double rate) {
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        owed_ = std::min(owed_ + std::min(most_a_second, rate) * seconds, std::min(most_a_second, std::max(rate, 1.0)));
        const auto due = static_cast<std::uint32_t>(owed_);
        owed_ -= due;
        return due;
    }

private:
    SteadyTime last_;
    double owed_ = 0;
};

}  // namespace holdfast
