#pragma once

#include <cstdint>

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

}  // namespace holdfast
