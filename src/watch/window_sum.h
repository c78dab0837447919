#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace holdfast {

/// Sums of N counts over a sliding window. Owns an entry for each look that counted something. A value; one thread.
template <std::size_t N>
class WindowSum {
public:
    using Time = std::chrono::steady_clock::time_point;
    using Counts = std::array<std::uint64_t, N>;

    void add(Time at, const Counts& counts) {
        bool any = false;
        for (std::size_t i = 0; i < N; ++i) {
            sums_[i] += counts[i];
            any |= counts[i] != 0;
        }
        if (any) entries_.push_back({at, counts});
    }
    /// Drops what is not younger than `time`.
    void forget_until(Time time) {
        while (!entries_.empty() && entries_.front().at <= time) {
            for (std::size_t i = 0; i < N; ++i) sums_[i] -= entries_.front().counts[i];
            entries_.pop_front();
        }
    }
    void forget_all() {
        entries_.clear();
        sums_ = {};
    }
    [[nodiscard]] const Counts& sums() const { return sums_; }

private:
    struct Entry {
        Time at;
        Counts counts;
    };
    std::deque<Entry> entries_;
    Counts sums_{};
};

}  // namespace holdfast
