#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/watch.h>

#include "alarm/alarm.h"
#include "alarm/alarm_members.h"
#include "trend/trend.h"

namespace holdfast {

/// Counters of probing on suspicion, since start.
struct SuspicionStatus {
    bool enabled = false;
    std::uint64_t suspicions = 0;  ///< times that a prefix was probed as a whole
    std::uint64_t alive = 0;       ///< probed connections that answered
    std::uint64_t silent = 0;      ///< probed connections that did not answer and were marked
};

/// The population's watch as the admin API sees it. Any thread. An interface, because a gateway that waits for disk
/// space has no population to watch (SpaceWait), and the tests of the API have none either.
class WatchView {
public:
    virtual ~WatchView() = default;

    [[nodiscard]] virtual TrendAnswer trend(const TrendQuery& query) = 0;
    [[nodiscard]] virtual AlarmBoard alarms() = 0;
    /// Returns an alarm with its members, or nullopt for an unknown id. Blocks as a census does.
    [[nodiscard]] virtual std::optional<AlarmDetail> alarm(std::uint64_t id) = 0;
    /// Returns the alarms that a device is a member of, the active ones first.
    [[nodiscard]] virtual std::vector<AlarmOfDevice> alarms_of(std::string_view device) = 0;
    /// Acknowledges an alarm, or withdraws that without a note. Returns false for an unknown id.
    virtual bool acknowledge(std::uint64_t id, std::optional<std::string> note) = 0;
    [[nodiscard]] virtual SuspicionStatus suspicion() = 0;
    /// Returns the latest comparison of registry and kernel, or nullopt before the first.
    [[nodiscard]] virtual std::optional<Reconciliation> reconciled() = 0;
    /// Compares now. Blocks for some 100 ms, or a second more if a difference must be confirmed.
    [[nodiscard]] virtual Reconciliation reconcile_now() = 0;
};

}  // namespace holdfast
