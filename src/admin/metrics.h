#pragma once

#include <string>

#include <holdfast/server.h>

#include "admin/admin_meter.h"
#include "admin/fleet_view.h"
#include "admin/process_status.h"
#include "admin/reload_result.h"
#include "admin/sink_status.h"
#include "admin/watch_status.h"

namespace holdfast {

/// The parts of /metrics. A part that is nullptr is omitted.
struct MetricsParts {
    const ServerStatus& status;
    const SinkStatus* sink = nullptr;
    const WatchStatus* watch = nullptr;
    const ProcessStatus* process = nullptr;
    const AdminMeter* admin = nullptr;
    const ReloadMeter* reloads = nullptr;
    const FleetOverview* fleet = nullptr;
};

/// Returns /metrics in the Prometheus text format 0.0.4: families in the order of admin/metric_table.h. Pure.
[[nodiscard]] std::string render_metrics(const MetricsParts& parts);

/// Returns docs/reference/metrics.md.
[[nodiscard]] std::string metrics_page();

}  // namespace holdfast
