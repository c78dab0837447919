#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <holdfast/status.h>
#include <holdfast/watch.h>

#include "alarm/alarm.h"
#include "api/reload_result.h"
#include "trend/trend.h"

namespace holdfast {

// These render the API's answers about the whole population, each as one JSON document on one line, as
// docs/reference/answers.md shows them. Pure.

[[nodiscard]] std::string render_trend(std::chrono::seconds window, const TrendAnswer& answer);
[[nodiscard]] std::string render_alarm(const Alarm& alarm);
[[nodiscard]] std::string render_alarms(const AlarmBoard& board);
[[nodiscard]] std::string render_reconciliation(const Reconciliation& reconciled);
/// Renders the changes of a reload that succeeded.
[[nodiscard]] std::string render_reload(const ReloadResult& result);
/// Renders {"reloads":{...}}, a part of the status, with counts and the latest error.
[[nodiscard]] std::string render_reloads(const ReloadMeter::Figures& reloads);
/// Renders the errors of a reload that changed nothing.
[[nodiscard]] std::string render_reload_errors(const ReloadResult& result);

/// Renders the live feed's `sample`: the changes of one second and the state at its end.
[[nodiscard]] std::string render_sample(const TrendPoint& second, const ServerStatus& status,
                                        std::size_t alarms_active);

}  // namespace holdfast
