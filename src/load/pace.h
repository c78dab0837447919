#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// Purpose of a random number. Each purpose has its own sequence, so that a new one changes no other.
enum class DrawFor : std::uint8_t { fault, strike, bad_item, bad_kind, backoff, downlink };

/// Returns a number that depends on its arguments only: the same seed makes the same fleet, for any order of devices
/// and number of threads. Pure; any thread.
[[nodiscard]] constexpr std::uint64_t draw_bits(std::uint64_t seed, DrawFor purpose, std::uint64_t device,
                                                std::uint64_t nth) noexcept {
    const auto mix = [](std::uint64_t x) {  // the finaliser of SplitMix64
        x += 0x9e37'79b9'7f4a'7c15;
        x = (x ^ (x >> 30)) * 0xbf58'476d'1ce4'e5b9;
        x = (x ^ (x >> 27)) * 0x94d0'49bb'1331'11eb;
        return x ^ (x >> 31);
    };
    return mix(mix(mix(seed ^ (static_cast<std::uint64_t>(purpose) << 56)) ^ device) ^ nth);
}

/// Returns such a number, uniformly distributed in [0, 1).
[[nodiscard]] constexpr double draw_share(std::uint64_t seed, DrawFor purpose, std::uint64_t device,
                                          std::uint64_t nth = 0) noexcept {
    return static_cast<double>(draw_bits(seed, purpose, device, nth) >> 11) * 0x1p-53;
}

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
