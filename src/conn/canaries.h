#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// Paces the canaries of one reactor: connections drawn at random and probed early, so that a partition shows within a
/// second. At most `most_a_second`. Keeps only its debt as state.
class Canaries {
public:
    static constexpr double most_a_second = 64;

    explicit Canaries(SteadyTime start) : last_(start) {}

    /// Returns how many connections to probe now. `rate`: probes per second that would probe each connection once in
    /// its own round.
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
