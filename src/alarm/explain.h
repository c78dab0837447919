#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "alarm/alarm.h"
#include "detect/link_monitor.h"

namespace holdfast {

/// Words for people. Pure; any thread.

[[nodiscard]] std::string with_commas(std::size_t number);                  ///< "4,100"
[[nodiscard]] std::string in_words(std::chrono::milliseconds duration);     ///< "9 s", "12 min", "under 1 s"
[[nodiscard]] std::string in_words(const std::vector<LinkOutage>& links);   ///< "eth0 has no carrier"
[[nodiscard]] std::string percent_of(std::size_t part, std::size_t whole);  ///< "93 %"; "100 %" only for all

/// Fills summary, cause and advice of a population drop out of its numbers: what the most of the reasons say, beside
/// where the dead lie (behind one address, in prefixes, everywhere, all over). `not_back`: raised because those that
/// ended did not return.
void explain_drop(Alarm& alarm, bool not_back);

/// The same for peers_silent, with commands that name the suspects and probe them. `links`: outages of the gateway's
/// own.
void explain_silence(Alarm& alarm, const std::vector<LinkOutage>& links);

}  // namespace holdfast
