#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "alarm/losses.h"
#include "alarm/window_statistics.h"

namespace holdfast {

/// The ends of a listener that belong to its ordinary life: those that new connections make up for. A loss is not among
/// them, so that a loss cannot become usual while it lasts. Owns the counts of the last minutes. A value; one thread.
class Churn {
public:
    using Time = std::chrono::steady_clock::time_point;
    using Counts = std::array<std::uint64_t, close_class_count>;

    void add(Time at, const Counts& closes, std::uint64_t accepted);
    void end_minute();
    /// Drops the counts at or before `time`, and keeps what it has learned.
    void forget_until(Time time);

    /// Returns the usual ends of a class in `time`, learned minute by minute from the last two hours.
    [[nodiscard]] double usual(std::size_t close_class, std::chrono::milliseconds time) const {
        return usual_[close_class].in(time);
    }
    [[nodiscard]] bool known() const { return usual_.front().known(); }
    /// Returns the usual ends of `classes` per second: learned, or in the first minutes the median since `since`.
    [[nodiscard]] double a_second(const CloseClasses& classes, Time since, Time now) const;
    /// Returns the ends of `classes` that were counted after `since`.
    [[nodiscard]] double counted(const CloseClasses& classes, Time since) const;

private:
    struct Step {
        Time at;
        Counts closes;
        std::uint64_t accepted;
    };
    [[nodiscard]] double median_a_second(const CloseClasses& classes, Time since, Time now) const;

    std::deque<Step> steps_;
    Counts minute_{};
    std::uint64_t accepted_in_minute_ = 0;
    std::array<Usual, close_class_count> usual_;
};

}  // namespace holdfast
