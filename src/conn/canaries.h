#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

#include "base/clock.h"

namespace holdfast {

/// How many connections of a reactor, drawn at random, are asked ahead of time so that a partition shows within a
/// second: at most `most_a_second`, and on the average none more often than once in a round of the asking ring, so that
/// a device is woken at most twice as often as keep-alive wakes it anyway. Pure but for its own debt and its dice.
class Canaries {
public:
    static constexpr double most_a_second = 64;

    explicit Canaries(SteadyTime start, std::uint32_t seed = 1) : last_(start), dice_(seed) {}

    /// How many to ask now.
    [[nodiscard]] std::uint32_t take(SteadyTime now, std::uint32_t connections, std::chrono::milliseconds round) {
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        const double rate = std::min(most_a_second, connections / std::chrono::duration<double>(round).count());
        owed_ = std::min(owed_ + rate * seconds, most_a_second);
        const auto due = static_cast<std::uint32_t>(owed_);
        owed_ -= due;
        return due;
    }
    /// A slot from 1 to `slots`.
    [[nodiscard]] std::uint32_t draw(std::uint32_t slots) {
        return std::uniform_int_distribution<std::uint32_t>(1, std::max(slots, 1U))(dice_);
    }

private:
    SteadyTime last_;
    double owed_ = 0;
    std::minstd_rand dice_;
};

}  // namespace holdfast
