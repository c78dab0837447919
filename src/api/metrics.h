#pragma once

#include <string>

#include <holdfast/status.h>

#include "api/status_parts.h"
#include "fleet/fleet_view.h"

namespace holdfast {

/// The parts of /metrics. A part that is nullptr is omitted.
struct MetricsParts {
    const ServerStatus& status;
    const SinkStatus* sink = nullptr;
    const WatchStatus* watch = nullptr;
    const ProcessStatus* process = nullptr;
    const AdminMeter* admin = nullptr;
    const ReloadMeter* reloads = nullptr;
    const FleetStatus* fleet = nullptr;
};

/// Returns /metrics in the Prometheus text format 0.0.4: families in the order of api/metric_table.h. Pure.
[[nodiscard]] std::string render_metrics(const MetricsParts& parts);

/// Returns docs/reference/metrics.md.
[[nodiscard]] std::string metrics_page();

}  // namespace holdfast
