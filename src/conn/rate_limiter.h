#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <unordered_map>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Limits the rate of accepts of all reactors. The state is one number: the due time of the next connection if they
/// came evenly (GCRA, ITU-T I.371). The burst is a tenth of a second's worth. A reactor with waiting connections
/// reserves turns, so that reactors alternate. Any thread, without a lock.
class RateLimiter {
public:
    static constexpr std::chrono::milliseconds burst{100};
    static constexpr std::chrono::milliseconds stride{10};  ///< length of one reservation; at least one turn

    /// Sets the rate in connections a second; 0 means no limit.
    void set_rate(std::uint64_t per_second) noexcept {
        gap_.store(per_second == 0 ? 0 : 1'000'000'000 / static_cast<std::int64_t>(per_second),
                   std::memory_order_relaxed);
    }
    [[nodiscard]] bool limits() const noexcept { return gap_.load(std::memory_order_relaxed) != 0; }

    /// Takes a turn if one is available now. Returns false otherwise.
    [[nodiscard]] bool try_take(SteadyTime now) noexcept {
        const std::int64_t gap = gap_.load(std::memory_order_relaxed);
        if (gap == 0) return true;
        std::int64_t due = due_.load(std::memory_order_relaxed);
        do {
            if (std::chrono::nanoseconds(due - count(now)) > burst) return false;
        } while (!due_.compare_exchange_weak(due, std::max(due, count(now)) + gap, std::memory_order_relaxed));
        return true;
    }

    /// Turns taken in advance.
    struct Reservation {
        std::int64_t turns = 0;
        SteadyTime when{};  ///< due time of the last one
    };
    [[nodiscard]] Reservation reserve(SteadyTime now, std::size_t wanted) noexcept {
        const std::int64_t gap = gap_.load(std::memory_order_relaxed);
        if (gap == 0) return {.turns = static_cast<std::int64_t>(wanted), .when = now};
        const std::int64_t at_a_time = std::max<std::int64_t>(1, std::chrono::nanoseconds(stride).count() / gap);
        const std::int64_t turns = std::min(static_cast<std::int64_t>(wanted), at_a_time);
        std::int64_t due = due_.load(std::memory_order_relaxed);
        while (!due_.compare_exchange_weak(due, std::max(due, count(now)) + turns * gap, std::memory_order_relaxed)) {
        }
        const std::int64_t last = std::max(due, count(now)) + (turns - 1) * gap;
        const SteadyTime when(std::chrono::nanoseconds(last) - std::chrono::nanoseconds(burst));
        return {.turns = turns, .when = std::max(when, now)};
    }
    /// Gives back the reserved turns of connections that ended before their turn.
    void give_back(std::int64_t turns) noexcept {
        due_.fetch_sub(turns * gap_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }

private:
    static std::int64_t count(SteadyTime time) noexcept {
        return std::chrono::nanoseconds(time.time_since_epoch()).count();
    }

    std::atomic<std::int64_t> gap_{0};  // ns between two turns; 0: no limit
    std::atomic<std::int64_t> due_{0};  // ns on the steady clock
};

/// Records when the shard resumed reading connections that it had paused singly (for rate or memory). Their deadlines
/// run from then on. Holds an entry until the connection's next complete item. The shard's thread.
class ResumedReads {
public:
    void note(Token number, Tick now) { since_[number] = now; }
    /// Returns the time, or Tick{} if the connection was not paused since its latest item.
    [[nodiscard]] Tick since(Token number) const {
        if (since_.empty()) return {};
        const auto found = since_.find(number);
        return found == since_.end() ? Tick{} : found->second;
    }
    void forget(Token number) noexcept {
        if (!since_.empty()) since_.erase(number);
    }
    [[nodiscard]] std::size_t size() const { return since_.size(); }

private:
    std::unordered_map<Token, Tick> since_;
};

}  // namespace holdfast
