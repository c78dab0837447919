#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include "alarm/listener_step.h"
#include "detect/prefix_cover.h"

namespace holdfast {

/// The dead of one drop, told from those that died by the way.
struct DropFacts {
    std::size_t count = 0;
    std::chrono::steady_clock::time_point first;
    std::chrono::steady_clock::time_point last;
    std::vector<ReasonShare> reasons;  ///< largest first
    PrefixCover cover;
};

using DeathClasses = std::array<bool, death_class_count>;  ///< by DeathClass

/// From a listener's deaths since `since`, those of `classes` that came together: the span of seconds in which most
/// more died than `usual_per_second` and than trickles in. Nothing came together: a count of 0. The addresses are not
/// looked at.
[[nodiscard]] std::vector<DeathRecord> deaths_together(std::vector<DeathRecord> deaths, const DeathClasses& classes,
                                                       double usual_per_second);

/// Half of the seconds of a window saw no more deaths of `classes` than so: what dies anyway, where nothing has been
/// learned yet. 0 for a window of less than 20 s.
[[nodiscard]] double median_a_second(const std::vector<DeathRecord>& deaths, const DeathClasses& classes,
                                     std::chrono::steady_clock::time_point since,
                                     std::chrono::steady_clock::time_point now);

/// What they have in common; of the living, those of `listener` that were there before the first death and are no
/// suspects are asked for by `census`.
[[nodiscard]] DropFacts gather_facts(const std::vector<DeathRecord>& deaths, std::uint8_t listener,
                                     const std::function<std::vector<CensusEntry>()>& census);

}  // namespace holdfast
