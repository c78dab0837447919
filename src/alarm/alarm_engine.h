#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/status.h>
#include <holdfast/watch.h>

#include "alarm/alarm.h"
#include "detect/link_monitor.h"
#include "fleet/fleet_view.h"
#include "forward/sink_status.h"
#include "options/daemon_config.h"

namespace holdfast {

/// Input of one evaluation of the population, once a second.
struct AlarmInput {
    std::chrono::steady_clock::time_point now;
    EventTime wall;
    const ServerStatus& status;
    SinkStatus sink;
    FleetStatus fleet = {};                            ///< empty texts without a fleet
    const Reconciliation* reconciled = nullptr;        ///< the latest, if there is one
    std::function<std::vector<CensusEntry>()> census;  ///< called if an alarm needs its prefixes explained
    std::vector<LinkOutage> links = {};                ///< current outages of the gateway's own links
};

/// Detects and explains abnormal states of a population of connections; docs/tasks/alarms.md has the rules. Pure: the
/// caller passes the time. Owns what it has learned, at most about 12 MB: the addresses of the last 262,144 ended
/// connections and a few KB per listener. One thread.
class AlarmEngine {
public:
    explicit AlarmEngine(const AlarmConfig& settings);
    AlarmEngine(const AlarmEngine&) = delete;
    AlarmEngine& operator=(const AlarmEngine&) = delete;
    ~AlarmEngine();

    /// Takes over the alarms of an earlier process: see AlarmBook::restore(). Call it before the first evaluation.
    void restore(AlarmBoard former);
    void change(const AlarmConfig& settings);
    /// Records an observation of a reactor: an end, or a change of suspicion. Call it before the evaluation of a status
    /// that counts it.
    void note(const Observation& observation);
    /// Records that observations up to `now` were lost. The counters still count those ends.
    void note_gap(std::chrono::steady_clock::time_point now);
    /// Evaluates the population. Returns the alarms that were raised, cleared (with cleared_at), or whose text changed;
    /// known by their id. An ongoing drop is reported again after 5 s, then each time
    /// after twice as long, 5 minutes at most.
    [[nodiscard]] std::vector<Alarm> evaluate(const AlarmInput& input);
    [[nodiscard]] AlarmBoard board() const;
    /// Acknowledges an alarm, or withdraws that with nullopt; the next evaluation reports it. Ignores an unknown alarm.
    void acknowledge(std::uint64_t id, std::optional<Acknowledgement> acknowledged);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
