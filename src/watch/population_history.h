#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>

namespace holdfast {

/// How many connections there were, as far back as somebody needs it. Owns an entry for each change. A value; one
/// thread.
class PopulationHistory {
public:
    using Time = std::chrono::steady_clock::time_point;

    void add(Time at, std::uint64_t count) {
        if (entries_.empty() || entries_.back().count != count) entries_.push_back({at, count});
    }
    /// What stood at `time` is kept.
    void forget_before(Time time) {
        while (entries_.size() > 1 && entries_[1].at <= time) entries_.pop_front();
    }
    [[nodiscard]] std::uint64_t at(Time time) const {
        for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
            if (entry->at <= time) return entry->count;
        }
        return entries_.empty() ? 0 : entries_.front().count;
    }
    [[nodiscard]] std::uint64_t most_since(Time time) const {
        std::uint64_t most = 0;
        for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
            most = std::max(most, entry->count);
            if (entry->at <= time) break;
        }
        return most;
    }

private:
    struct Entry {
        Time at;
        std::uint64_t count;
    };
    std::deque<Entry> entries_;
};

}  // namespace holdfast
