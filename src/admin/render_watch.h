#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include <holdfast/server.h>

#include "admin/reload_result.h"
#include "alarm/alarm.h"
#include "trend/trend.h"

namespace holdfast {

// The API's answers about the population as a whole, one JSON document on one line each, as docs/reference/answers.md
// shows them. Pure.

[[nodiscard]] std::string render_trend(std::chrono::seconds window, const TrendAnswer& answer);
[[nodiscard]] std::string render_alarm(const Alarm& alarm);
[[nodiscard]] std::string render_alarms(const AlarmBoard& board);
[[nodiscard]] std::string render_reconciliation(const Reconciliation& reconciled);
/// Of a reload that succeeded.
[[nodiscard]] std::string render_reload(const ReloadResult& result);
/// Of one that did not.
/// Returns {"reloads":{...}}, a part of the status.
[[nodiscard]] std::string render_reloads(const ReloadMeter::Figures& reloads);
[[nodiscard]] std::string render_reload_errors(const ReloadResult& result);

/// The live feed's `sample`: what one second brought and what stood at its end.
[[nodiscard]] std::string render_sample(const TrendPoint& second, const ServerStatus& status,
                                        std::size_t alarms_active);

}  // namespace holdfast
