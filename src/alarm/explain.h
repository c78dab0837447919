#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "alarm/alarm.h"
#include "detect/link_monitor.h"

namespace holdfast {

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
