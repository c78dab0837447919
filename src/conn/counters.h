#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include <holdfast/counters.h>
#include <holdfast/watch.h>

namespace holdfast {

/// Counter that one reactor's thread writes and any thread reads. No read-modify-write is needed, and reactors share no
/// cache line.
class Counter {
public:
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void increment() noexcept { add(1); }
    void decrement() noexcept { add(~std::uint64_t{0}); }
    [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
    /// Takes the value of another one, before any thread uses this one.
    void assign(const Counter& other) noexcept { value_.store(other.get(), std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

class HistogramCounter {
public:
    void observe(std::chrono::milliseconds value) noexcept;
    void add_to(DurationHistogram& sum) const noexcept;
    /// As Counter::assign().
    void assign(const HistogramCounter& other) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i].assign(other.counts_[i]);
        sum_ms_.assign(other.sum_ms_);
    }

private:
    std::array<Counter, duration_bounds_s.size() + 1> counts_;
    Counter sum_ms_;
};

/// Counters of one listener on one reactor.
struct ListenerCounters : ListenerFigures<Counter, HistogramCounter> {
    /// Returns the number of the listener's connections in this shard.
    [[nodiscard]] std::uint64_t held() const noexcept {
        return connections.get() + accept_waiting.get() + health_checks_open.get();
    }
};

/// The counters of one reactor.
using ShardCounters = ReactorFigures<Counter>;

// Overloads for the sums of model/counter_rows.h.
inline void add_to(std::uint64_t& sum, const Counter& more) noexcept { sum += more.get(); }
inline void add_to(DurationHistogram& sum, const HistogramCounter& more) noexcept { more.add_to(sum); }

/// Collects what one reactor observed since the last take(). Bounded: beyond the bound it only counts. The reactor's
/// thread.
class ObservationLog {
public:
    static constexpr std::size_t max = 65'536;

    explicit ObservationLog(bool wanted) : wanted_(wanted) {}

    [[nodiscard]] bool wanted() const noexcept { return wanted_; }
    void add(const Observation& observation) {
        if (!wanted_) return;
        if (noticed_.seen.size() >= max) {
            ++noticed_.dropped;
            return;
        }
        noticed_.seen.push_back(observation);
    }
    [[nodiscard]] Observations take() { return std::exchange(noticed_, {}); }

private:
    bool wanted_;
    Observations noticed_;
};

}  // namespace holdfast
