#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace holdfast {

/// Records how long the turns of one reactor take. Written by the reactor's thread, read by any.
class TurnMeter {
public:
    using Time = std::chrono::nanoseconds;

    /// A turn of this length delays every other connection of its reactor noticeably.
    static constexpr Time long_turn = std::chrono::milliseconds(100);

    /// Records a turn: `wall` from the return of the wait to the end, preemption included; `cpu` of the thread alone.
    void count(Time wall, Time cpu) noexcept {
        raise(longest_, wall);
        raise(longest_cpu_, cpu);
        if (wall >= long_turn) add_one(long_turns_);
    }

    [[nodiscard]] Time longest() const noexcept { return Time(longest_.load(std::memory_order_relaxed)); }
    [[nodiscard]] Time longest_cpu() const noexcept { return Time(longest_cpu_.load(std::memory_order_relaxed)); }
    [[nodiscard]] std::uint64_t long_turns() const noexcept { return long_turns_.load(std::memory_order_relaxed); }

private:
    static void raise(std::atomic<Time::rep>& to, Time time) noexcept {
        if (time.count() > to.load(std::memory_order_relaxed)) to.store(time.count(), std::memory_order_relaxed);
    }
    static void add_one(std::atomic<std::uint64_t>& to) noexcept {
        to.store(to.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

    std::atomic<Time::rep> longest_{0};
    std::atomic<Time::rep> longest_cpu_{0};
    std::atomic<std::uint64_t> long_turns_{0};
};

}  // namespace holdfast
