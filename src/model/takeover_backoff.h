#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// Delays takeovers of one device id that follow each other quickly, as two devices with one id cause. A leaky bucket:
/// thirty takeovers are free, plus one every ten seconds. Beyond that each waits longer, up to ten seconds, counted
/// from the previous takeover. Pure.
class TakeoverBackoff {
public:
    static constexpr std::chrono::seconds leak{10};
    static constexpr int free_takeovers = 30;
    static constexpr std::chrono::milliseconds first_delay{100};
    static constexpr std::chrono::milliseconds max_delay{10'000};

    void count_takeover(SteadyTime now) {
        const SteadyTime ceiling = now + leak * (free_takeovers + doublings);
        empty_at_ = std::min(std::max(empty_at_, now) + leak, ceiling);
        latest_ = now;
    }
    /// Returns the earliest time of the next takeover; it lies in the past unless takeovers follow each other quickly.
    [[nodiscard]] SteadyTime next() const {
        const auto excess = (empty_at_ - latest_ - leak * free_takeovers + leak - SteadyTime::duration(1)) / leak;
        if (excess <= 0) return latest_;
        return latest_ + std::min(first_delay * (std::int64_t{1} << (excess - 1)), max_delay);
    }

private:
    static constexpr int doublings = 8;  // 100 ms * 2^7 is more than max_delay

    SteadyTime empty_at_{};
    SteadyTime latest_{};
};

}  // namespace holdfast
