#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace holdfast {

/// Sums of N counts over a sliding window. Owns an entry for each evaluation with a count above zero. A value; one
/// thread.
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
    /// Drops entries at or before `time`.
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
    /// Returns the time of the first entry that `wanted` accepts by its counts, or `otherwise`.
    template <typename Wanted>
    [[nodiscard]] Time first(const Wanted& wanted, Time otherwise) const {
        const auto found =
            std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return wanted(entry.counts); });
        return found == entries_.end() ? otherwise : found->at;
    }

private:
    struct Entry {
        Time at;
        Counts counts;
    };
    std::deque<Entry> entries_;
    Counts sums_{};
};

/// The usual value of a count, learned from the last two hours, minute by minute. The 90th percentile of the minutes
/// stands for all, so that neither a deploy nor an outage of ten minutes becomes usual. A value; one thread.
class Usual {
public:
    static constexpr std::size_t minutes = 120;
    static constexpr std::size_t known_after = 10;  ///< minutes

    void add(std::uint64_t count) { current_ += count; }

    void end_minute() {
        counts_[next_] = static_cast<std::uint32_t>(std::min<std::uint64_t>(current_, UINT32_MAX));
        next_ = (next_ + 1) % minutes;
        used_ = std::min(used_ + 1, minutes);
        current_ = 0;
        std::array<std::uint32_t, minutes> sorted = counts_;
        const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((used_ - 1) * 9 / 10);
        std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(used_));
        a_minute_ = used_ < 3 ? 0 : *middle;
    }

    /// Returns the usual count in `time`.
    [[nodiscard]] double in(std::chrono::milliseconds time) const {
        return a_minute_ * std::chrono::duration<double, std::ratio<60>>(time).count();
    }
    /// Returns false in the first minutes, before enough is learned.
    [[nodiscard]] bool known() const { return used_ >= known_after; }

private:
    std::array<std::uint32_t, minutes> counts_{};
    std::size_t next_ = 0;
    std::size_t used_ = 0;
    std::uint64_t current_ = 0;
    double a_minute_ = 0;
};

/// History of the number of connections, as far back as it is needed. Owns an entry for each change. A value; one
/// thread.
class PopulationHistory {
public:
    using Time = std::chrono::steady_clock::time_point;

    void add(Time at, std::uint64_t count) {
        if (entries_.empty() || entries_.back().count != count) entries_.push_back({at, at, count});
        entries_.back().until = at;
    }
    /// Keeps the value that was current at `time`.
    void forget_before(Time time) {
        while (entries_.size() > 1 && entries_[1].at <= time) entries_.pop_front();
    }
    [[nodiscard]] std::uint64_t at(Time time) const {
        for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
            if (entry->at <= time) return entry->count;
        }
        return entries_.empty() ? 0 : entries_.front().count;
    }
    /// Returns the largest value of the samples after `time`, or 0 without one.
    [[nodiscard]] std::uint64_t max_sampled_after(Time time) const {
        std::uint64_t max = 0;
        for (auto entry = entries_.rbegin(); entry != entries_.rend() && entry->until > time; ++entry) {
            max = std::max(max, entry->count);
        }
        return max;
    }
    [[nodiscard]] std::uint64_t max_since(Time time) const {
        std::uint64_t max = 0;
        for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
            max = std::max(max, entry->count);
            if (entry->at <= time) break;
        }
        return max;
    }

private:
    struct Entry {
        Time at;
        Time until;  // latest sample with this value
        std::uint64_t count;
    };
    std::deque<Entry> entries_;
};

}  // namespace holdfast
