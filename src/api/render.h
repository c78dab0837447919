#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <holdfast/status.h>

#include "api/sink_status.h"
#include "api/watch_status.h"

namespace holdfast {

// These render the API's answers as one JSON document each, as docs/reference/answers.md shows them. Pure.

/// Renders the status. Without `sink` the answer has "sink":null, and without `watch` it has no alarms and drift. `pid`
/// is that of the gateway.
[[nodiscard]] std::string render_status(const ServerStatus& status, const SinkStatus* sink, int pid,
                                        const WatchStatus* watch = nullptr);
[[nodiscard]] std::string render_connections(const ConnectionPage& page);
[[nodiscard]] std::string render_connection(const ConnectionDetail& detail);
[[nodiscard]] std::string render_closed(const std::vector<ClosedLife>& lives);
[[nodiscard]] std::string render_probe(const ProbeAnswer& answer, std::string_view device = {});
[[nodiscard]] std::string render_probes(const ProbeSummary& summary);

/// Returns "2026-11-22T08:00:00.123Z".
[[nodiscard]] std::string render_time(EventTime at);

}  // namespace holdfast
