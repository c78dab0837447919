#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// Length of one tick of the simulated kernel, as with CONFIG_HZ = 250.
inline constexpr std::chrono::milliseconds jiffy{4};

/// Returns the time at which a timer of Linux fires that is set at `now` for `delay`. The timer is never early, and up
/// to an eighth of the delay late. The levels of kernel/time/timer.c have 64 buckets, each eight times as coarse as in
/// the level before. Pure; any thread.
[[nodiscard]] inline SteadyTime wheel_expiry(SteadyTime now, std::chrono::nanoseconds delay) {
    constexpr int levels = 9;
    constexpr int clock_shift = 3;
    constexpr std::int64_t buckets = 64;
    const std::int64_t tick = now.time_since_epoch() / jiffy;
    const std::int64_t wait = std::max<std::int64_t>(1, (delay + jiffy - std::chrono::nanoseconds(1)) / jiffy);
    int level = 0;
    while (level + 1 < levels && wait >= (buckets - 1) << (level * clock_shift)) ++level;
    const int shift = level * clock_shift;
    const std::int64_t bucket = ((tick + wait) >> shift) + 1;
    return SteadyTime(std::chrono::duration_cast<SteadyTime::duration>((bucket << shift) * jiffy));
}

}  // namespace holdfast
