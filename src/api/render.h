#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/bad_items.h>
#include <holdfast/drain.h>
#include <holdfast/liveness.h>
#include <holdfast/status.h>
#include <holdfast/watch.h>

#include "alarm/alarm.h"
#include "alarm/alarm_members.h"
#include "api/status_parts.h"
#include "text/json_writer.h"
#include "trend/trend.h"

namespace holdfast {

// These render the API's answers as one JSON document each, as docs/reference/answers.md shows them. Pure.

/// Renders the status. Without `sink` the answer has "sink":null, and without `watch` it has no alarms and drift. `pid`
/// is that of the gateway.
[[nodiscard]] std::string render_status(const ServerStatus& status, const SinkStatus* sink, int pid,
                                        const WatchStatus* watch = nullptr);
[[nodiscard]] std::string render_connections(const ConnectionPage& page);
[[nodiscard]] std::string render_connection(const ConnectionDetail& detail);
[[nodiscard]] std::string render_closed(const ClosedPage& page);
/// Renders a row of render_closed().
[[nodiscard]] std::string render_life(const ClosedLife& life);
[[nodiscard]] std::string render_bad_items(const BadItemPage& page);
/// Writes the array `name`.
void write_bad_items(JsonWriter& json, std::string_view name, const std::vector<BadItemRow>& rows);
[[nodiscard]] std::string render_probe(const ProbeAnswer& answer, std::string_view device = {});
[[nodiscard]] std::string render_probes(const ProbeSummary& summary);

/// Returns "2026-11-22T08:00:00.123Z".
[[nodiscard]] std::string render_time(EventTime at);

/// Selects members of an alarm.
struct MemberQuery {
    std::optional<bool> back;  ///< only members that are back, or only others
    std::size_t offset = 0;
    std::size_t limit = std::numeric_limits<std::size_t>::max();
};

// These render the API's answers about the whole population, each as one JSON document on one line, as
// docs/reference/answers.md shows them. Pure.

[[nodiscard]] std::string render_trend(std::chrono::seconds window, const TrendAnswer& answer);
[[nodiscard]] std::string render_alarm(const Alarm& alarm);
[[nodiscard]] std::string render_alarms(const AlarmBoard& board);
/// Writes the alarms of one device as the array `alarms`.
void write_alarms_of_device(JsonWriter& json, const std::vector<AlarmOfDevice>& alarms);
[[nodiscard]] std::string render_alarm_detail(const AlarmDetail& detail, const MemberQuery& query);
/// Renders the members as a CSV file (RFC 4180). A leading apostrophe defuses texts that a spreadsheet takes as
/// formulas.
[[nodiscard]] std::string render_members_csv(const AlarmDetail& detail, const MemberQuery& query);
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

// Pieces that several answers share; private to the renderers.

[[nodiscard]] inline double as_seconds(std::chrono::milliseconds duration) {
    return static_cast<double>(duration.count()) / 1000.0;
}

void write_plan_object(JsonWriter& json, const LivenessPlan& plan);
/// Writes {"state":"running",...}: the value of an object's field or a document.
void write_drain(JsonWriter& json, const DrainStatus& drain);
/// Writes the fields of an alarm into an open object.
void write_alarm_fields(JsonWriter& json, const Alarm& alarm);
/// Writes the text, or null if it is empty.
void write_or_null(JsonWriter& json, std::string_view text);

}  // namespace holdfast
