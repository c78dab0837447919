#pragma once

#include <cstdint>
#include <optional>

#include <holdfast/watch.h>

#include "alarm/alarm.h"
#include "trend/trend.h"

namespace holdfast {

/// Counters of suspicion-driven probing, since start.
struct SuspicionStatus {
    bool enabled = false;
    std::uint64_t suspicions = 0;  ///< times that a prefix was asked as a whole
    std::uint64_t alive = 0;       ///< connections asked so that answered
    std::uint64_t silent = 0;      ///< that did not, and were marked
};

/// What the admin API asks of the watch over the population. Any thread.
class WatchView {
public:
    virtual ~WatchView() = default;

    [[nodiscard]] virtual TrendAnswer trend(const TrendQuery& query) = 0;
    [[nodiscard]] virtual AlarmBoard alarms() = 0;
    [[nodiscard]] virtual SuspicionStatus suspicion() = 0;
    /// The latest comparison of registry and kernel; nothing before the first.
    [[nodiscard]] virtual std::optional<Reconciliation> reconciled() = 0;
    /// Compares now; blocks until it is done (some 100 ms, and a second more where something has to be looked at
    /// twice).
    [[nodiscard]] virtual Reconciliation reconcile_now() = 0;
};

}  // namespace holdfast
