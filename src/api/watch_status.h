#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <optional>

#include "watch/watch_view.h"

namespace holdfast {

/// The watch's part of /v1/status and /metrics.
struct WatchStatus {
    std::array<std::uint64_t, alarm_kind_count> alarms_active{};  ///< by AlarmKind
    std::optional<std::uint64_t> registry_drift;                  ///< nullopt: no reconciliation yet, or it failed
    SuspicionStatus suspicion;

    [[nodiscard]] std::uint64_t all_alarms_active() const {
        return std::accumulate(alarms_active.begin(), alarms_active.end(), std::uint64_t{0});
    }
};

[[nodiscard]] inline WatchStatus watch_status(WatchView& watch) {
    WatchStatus status;
    for (const Alarm& alarm : watch.alarms().active) ++status.alarms_active[static_cast<std::size_t>(alarm.kind)];
    const auto reconciled = watch.reconciled();
    if (reconciled && reconciled->error.empty()) status.registry_drift = reconciled->drift();
    status.suspicion = watch.suspicion();
    return status;
}

}  // namespace holdfast
