#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <holdfast/events.h>

#include "alarm/alarm_members.h"
#include "spool/spool.h"

namespace holdfast {

/// State that outlives a process besides its events.
struct SavedState {
    std::string spool = {};          ///< its id; empty: the gateway has none
    Position position = 0;           ///< newest event of the spool; a later `closed` may be missing from `closed`
    std::vector<ClosedLife> closed;  ///< the newest first
    AlarmHistory alarms;             ///< with at most AlarmMembers::max_in_all members
    std::string trend;               ///< Trend::saved()
};

// Convert to and from the body of a StateFile. Reading leaves out what it does not know. Pure.

[[nodiscard]] std::string to_state_text(const SavedState& state);
[[nodiscard]] SavedState read_state_text(std::string_view body);

}  // namespace holdfast
