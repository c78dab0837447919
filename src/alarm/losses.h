#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "alarm/alarm.h"
#include "alarm/listener_step.h"
#include "detect/prefix_cover.h"

namespace holdfast {

using CloseClasses = std::array<bool, close_class_count>;  ///< by CloseClass

/// The connections that a drop has lost: open before its first end, ended within its interval, usual ends left out.
/// Every figure and sentence about a drop comes from one value of it: one interval, one set, one population.
struct Losses {
    using Time = std::chrono::steady_clock::time_point;

    Time from;                         ///< the first end
    Time to;                           ///< the last end
    std::size_t count = 0;             ///< each connection once
    std::vector<ReasonShare> reasons;  ///< of the `count`, largest first
    PrefixCover cover;          ///< of the `count`, against the connections that were open at `from` and still are
    std::size_t before = 0;     ///< population at `from`
    std::size_t now = 0;        ///< population when this was gathered
    std::size_t made_up = 0;    ///< largest population after `to`: other ends do not turn past ones into a loss
    std::size_t bad_items = 0;  ///< of the `count`, those whose latest item was bad

    [[nodiscard]] std::size_t missing() const { return before - std::min(before, std::max(now, made_up)); }
    /// Returns whether the population fell: at least half of the losses are missing, and `min` connections.
    [[nodiscard]] bool are_a_drop(double min) const {
        return count > 0 && 2 * missing() >= count && static_cast<double>(std::min(count, missing())) >= min;
    }
    /// Multiplies the figures of the set, for ends that were counted but not recorded individually.
    void scale(double factor);
};

/// Selects from a listener's ends those of `classes` that occurred together: the span of seconds whose ends most exceed
/// `usual_per_second` and a trickle. Omits connections that opened at the span's first end or later. Empty if there is
/// no such span. Ignores the addresses.
[[nodiscard]] std::vector<CloseRecord> closes_together(std::vector<CloseRecord> closes, const CloseClasses& classes,
                                                       double usual_per_second);

/// Returns what the ends have in common; `closes` is in the order of time. `census` provides the living connections of
/// `listener`. Leaves the populations at 0.
[[nodiscard]] Losses losses_of(const std::vector<CloseRecord>& closes, std::uint8_t listener,
                               const std::function<std::vector<CensusEntry>()>& census);

/// Fills the alarm's figures from the losses.
void put(Alarm& alarm, const Losses& losses, const Sample& sample);
/// Limits the alarm's members to these ends: its interval has others with the same reasons.
void put_members(Alarm& alarm, const std::vector<CloseRecord>& closes);

}  // namespace holdfast
