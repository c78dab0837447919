#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/check.h"

namespace holdfast {

/// Receive buffer of a reactor, for all its connections. Room in front of the landing area takes the kept bytes of a
/// partial item, so that both are contiguous without moving the new bytes. Padding behind the area is readable for a
/// parser.
class ReceiveBuffer {
public:
    static constexpr std::size_t landing_bytes = 64 * 1024;
    static constexpr std::size_t padding = 64;

    /// Allocates the buffer. The room in front also holds what a held connection keeps beside its partial item.
    explicit ReceiveBuffer(std::size_t max_unfinished)
        : room_(max_unfinished + landing_bytes), memory_(std::make_unique<char[]>(room_ + landing_bytes + padding)) {}

    [[nodiscard]] std::span<char> landing() noexcept { return {memory_.get() + room_, landing_bytes}; }

    /// Returns `kept` followed by the first `arrived` bytes of the landing area.
    [[nodiscard]] std::span<const char> window(std::span<const char> kept, std::size_t arrived) noexcept {
        HOLDFAST_CHECK(kept.size() <= room_);
        char* front = memory_.get() + room_ - kept.size();
        if (!kept.empty()) std::memcpy(front, kept.data(), kept.size());
        return {front, kept.size() + arrived};
    }

private:
    std::size_t room_;
    std::unique_ptr<char[]> memory_;
};

/// Responses to memory pressure, in ascending order. Each stage includes those before it.
enum class BufferStage : std::uint8_t {
    plenty,
    pause_largest,    ///< pauses reads on connections with a large partial item
    refuse_sessions,  ///< refuses new TLS sessions, if idle ones alone cause the stage
    shed,             ///< ends connections; see VictimOrder
};

/// Compares the bytes that all connections of the process hold in buffers, unfinished items and downlink queues with
/// one budget. Any thread.
class BufferBudget {
public:
    void set_limit(std::size_t bytes) noexcept {  ///< 0: no limit
        limit_.store(bytes, std::memory_order_relaxed);
        forced_.store(false, std::memory_order_relaxed);
    }
    [[nodiscard]] std::size_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::size_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

    /// Reacts to a failed allocation: the bytes held now become the budget until the next set_limit(), so that
    /// connections are shed. Neither allocates nor waits.
    void exhausted() noexcept {
        exhausted_.fetch_add(1, std::memory_order_relaxed);
        const std::size_t held = std::max(used(), min_budget);
        if (limit() != 0 && held >= limit()) return;
        set_limit(held);
        forced_.store(true, std::memory_order_relaxed);
    }
    /// Returns true if the limit comes from a failed allocation and not from the operator.
    [[nodiscard]] bool is_forced() const noexcept { return forced_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t times_exhausted() const noexcept { return exhausted_.load(std::memory_order_relaxed); }

    void change(std::size_t before, std::size_t after) noexcept {
        if (before != after) used_.fetch_add(after - before, std::memory_order_relaxed);
    }

    [[nodiscard]] BufferStage stage() const noexcept { return stage_at(used()); }
    /// Returns the stage for `used` bytes.
    [[nodiscard]] BufferStage stage_at(std::size_t used) const noexcept {
        const std::size_t limit = limit_.load(std::memory_order_relaxed);
        if (limit == 0 || used < limit / 10 * 7) return BufferStage::plenty;
        if (used < limit / 10 * 8) return BufferStage::pause_largest;
        return used < limit / 10 * 9 ? BufferStage::refuse_sessions : BufferStage::shed;
    }
    /// Returns true if the whole budget is used: the responses of the last stage were not enough.
    [[nodiscard]] bool is_full() const noexcept { return limit() != 0 && used() >= limit(); }
    /// Returns the bytes above 80 % of the limit: the goal of shedding.
    [[nodiscard]] std::size_t over() const noexcept {
        const std::size_t goal = limit() / 10 * 8;
        return limit() != 0 && used() > goal ? used() - goal : 0;
    }
    /// Returns the bytes to free until the stage is plenty.
    [[nodiscard]] std::size_t over_plenty() const noexcept {
        const std::size_t goal = limit() / 10 * 7;
        return limit() != 0 && used() >= goal ? used() - goal + 1 : 0;
    }

private:
    static constexpr std::size_t min_budget = std::size_t{1} << 20;

    std::atomic<std::uint64_t> exhausted_{0};
    std::atomic<bool> forced_{false};
    std::atomic<std::size_t> limit_{0};
    std::atomic<std::size_t> used_{0};
};

}  // namespace holdfast
