#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace holdfast {

/// A token bucket for accepting, shared by all reactors, as one number: when the next connection would be due if they
/// came evenly (GCRA, ITU-T I.371). A tenth of a second's worth may come at once. Any thread, without a lock.
class AcceptBucket {
public:
    static constexpr std::chrono::milliseconds burst{100};

    /// Connections a second; 0: as many as come.
    void set_rate(std::uint64_t per_second) noexcept {
        gap_.store(per_second == 0 ? 0 : 1'000'000'000 / static_cast<std::int64_t>(per_second),
                   std::memory_order_relaxed);
    }

    /// Nothing: accept, and take one for each that was there. Otherwise when to come again.
    [[nodiscard]] std::optional<SteadyTime> wait(SteadyTime now) const noexcept {
        if (gap_.load(std::memory_order_relaxed) == 0) return std::nullopt;
        const auto ahead = std::chrono::nanoseconds(due_.load(std::memory_order_relaxed) - count(now));
        if (ahead <= burst) return std::nullopt;
        return now + std::chrono::duration_cast<SteadyTime::duration>(ahead - burst / 2);
    }
    void take(SteadyTime now) noexcept {
        const std::int64_t gap = gap_.load(std::memory_order_relaxed);
        if (gap == 0) return;
        std::int64_t due = due_.load(std::memory_order_relaxed);
        while (!due_.compare_exchange_weak(due, std::max(due, count(now)) + gap, std::memory_order_relaxed)) {
        }
    }

private:
    static std::int64_t count(SteadyTime time) noexcept {
        return std::chrono::nanoseconds(time.time_since_epoch()).count();
    }

    std::atomic<std::int64_t> gap_{0};  // ns between two; 0: no limit
    std::atomic<std::int64_t> due_{0};  // ns on the steady clock
};

}  // namespace holdfast
