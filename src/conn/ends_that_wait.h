#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Connections whose peer has sent FIN and that wait: for the end of a hold, or for their answers or `half_close`. Each
/// has one wait until it is over or the connection is finalized. Times are attended times. The shard's thread.
class EndsThatWait {
public:
    struct Wait {
        Token number{};
        bool is_half_closed = false;  ///< for answers or half_close, and else for the end of a hold
    };

    /// Begins a wait. A half-close replaces the wait of a hold, which ended before the FIN was read. The first wait of
    /// several holds stays.
    void add(SteadyTime until, Wait wait) {
        if (const auto earlier = by_number_.find(wait.number); earlier != by_number_.end()) {
            if (!wait.is_half_closed || earlier->second->second.is_half_closed) return;
            remove(wait.number);
        }
        by_number_.emplace(wait.number, by_time_.emplace(until, wait));
    }
    void remove(Token number) {
        const auto found = by_number_.find(number);
        if (found == by_number_.end()) return;
        by_time_.erase(found->second);
        by_number_.erase(found);
    }
    /// Returns the time at which the next wait is over, or nullopt if none waits.
    [[nodiscard]] std::optional<SteadyTime> next() const {
        return by_time_.empty() ? std::nullopt : std::optional(by_time_.begin()->first);
    }
    /// Removes and returns a wait that is over at `now`, or nullopt.
    [[nodiscard]] std::optional<Wait> take_over(SteadyTime now) {
        if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
        const Wait over = by_time_.begin()->second;
        remove(over.number);
        return over;
    }
    [[nodiscard]] std::size_t size() const { return by_time_.size(); }

private:
    using ByTime = std::multimap<SteadyTime, Wait>;

    ByTime by_time_;
    std::unordered_map<Token, ByTime::iterator> by_number_;
};

}  // namespace holdfast
