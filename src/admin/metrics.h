#pragma once

#include <string>

#include <holdfast/server.h>

#include "admin/sink_status.h"

namespace holdfast {

/// Everything that /metrics shows, in the Prometheus text format 0.0.4. `sink` may be null: then its metrics are left
/// out. Pure. docs/API.md lists the metrics.
[[nodiscard]] std::string render_metrics(const ServerStatus& status, const SinkStatus* sink);

}  // namespace holdfast
