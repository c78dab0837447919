#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "alarm/alarm.h"
#include "alarm/listener_step.h"
#include "detect/link_monitor.h"
#include "detect/prefix_cover.h"

namespace holdfast {

/// The ended connections of one drop, separated from the usual background.
struct DropFacts {
    std::size_t count = 0;
    std::chrono::steady_clock::time_point first;
    std::chrono::steady_clock::time_point last;
    std::vector<ReasonShare> reasons;  ///< largest first
    PrefixCover cover;
};

using CloseClasses = std::array<bool, close_class_count>;  ///< by CloseClass

/// Selects from a listener's ends since `since` those of `classes` that occurred together: the span of seconds whose
/// ends most exceed `usual_per_second` and a trickle. A count of 0 if there is no such span. Ignores the addresses.
[[nodiscard]] std::vector<CloseRecord> closes_together(std::vector<CloseRecord> closes, const CloseClasses& classes,
                                                       double usual_per_second);

/// Returns the median of ends of `classes` per second in a window: the background while nothing has been learned yet. 0
/// for a window of less than 20 s.
[[nodiscard]] double median_a_second(const std::vector<CloseRecord>& closes, const CloseClasses& classes,
                                     std::chrono::steady_clock::time_point since,
                                     std::chrono::steady_clock::time_point now);

/// Returns what the ends have in common. `census` provides the living connections of `listener` from before the first
/// end that are not suspect.
[[nodiscard]] DropFacts gather_facts(const std::vector<CloseRecord>& closes, std::uint8_t listener,
                                     const std::function<std::vector<CensusEntry>()>& census);

/// Texts for people. Pure; any thread.

[[nodiscard]] std::string with_commas(std::size_t number);                  ///< "4,100"
[[nodiscard]] std::string in_words(std::chrono::milliseconds duration);     ///< "9 s", "12 min", "under 1 s"
[[nodiscard]] std::string in_words(const std::vector<LinkOutage>& links);   ///< "eth0 has no carrier"
[[nodiscard]] std::string percent_of(std::size_t part, std::size_t whole);  ///< "93 %"; "100 %" only for all

/// Fills summary, cause and advice of a population drop. The inputs are the dominant theme of the reasons and the place
/// of the ended connections: one address, prefixes, everywhere or scattered. `not_back`: raised because the devices did
/// not reconnect.
void explain_drop(Alarm& alarm, bool not_back);

/// Fills them for peers_silent, with commands that list and probe the suspects. `links`: outages of the gateway's own
/// links.
void explain_silence(Alarm& alarm, const std::vector<LinkOutage>& links);

}  // namespace holdfast
