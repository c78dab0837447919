#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "alarm/alarm.h"

namespace holdfast {

/// Returns "critical" or "warning": devices or events are at risk, or a cause needs attention in working hours. Pure.
[[nodiscard]] std::string_view severity_of(AlarmKind kind) noexcept;

/// Returns complete commands that show what the alarm is about, with its id, prefix and reason. Each prints rows while
/// the gateway has them. Pure.
[[nodiscard]] std::vector<std::string> commands_of(const Alarm& alarm);

}  // namespace holdfast
