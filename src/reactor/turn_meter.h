#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// Records the durations of one reactor's turns. Written by the reactor's thread, read by any thread.
class TurnMeter {
public:
    using Time = std::chrono::nanoseconds;

    /// Marks a turn that delays the reactor's other connections noticeably.
    static constexpr Time long_turn = std::chrono::milliseconds(100);

    /// Records a turn. `wall` runs from the return of the wait to the end, preemption included; `cpu` is the thread's
    /// own.
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

/// Limits the time of a phase of a turn. Work whose length depends on peers checks it before each step and leaves the
/// rest to the next turn. Holds a reference to the clock; one thread.
class TimeShare {
public:
    TimeShare(const Clock& clock, SteadyTime begin, SteadyTime::duration length)
        : clock_(clock), end_(begin + length) {}

    [[nodiscard]] bool is_spent() const { return clock_.steady() >= end_; }

private:
    const Clock& clock_;
    SteadyTime end_;
};

}  // namespace holdfast
