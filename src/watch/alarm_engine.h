#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <holdfast/server.h>
#include <holdfast/watch.h>

#include "watch/alarm.h"

namespace holdfast {

struct AlarmSettings {
    std::chrono::milliseconds window{60'000};
    unsigned drop_percent = 5;
    std::size_t drop_least = 20;
    std::chrono::milliseconds recover_within{120'000};
};

/// What an alarm must know of the sink.
struct SinkHealth {
    std::uint64_t events = 0;      ///< taken over since start
    std::uint64_t lag_events = 0;  ///< of those, not written yet
    bool full = false;             ///< it takes no more: devices wait
    std::string error;             ///< why it cannot write; empty while it can
};

/// Everything that one look at the population sees; once a second.
struct AlarmInput {
    std::chrono::steady_clock::time_point now;
    EventTime wall;
    const ServerStatus& status;
    SinkHealth sink;
    const Reconciliation* reconciled = nullptr;        ///< the latest, if there was one
    std::function<std::vector<CensusEntry>()> census;  ///< asked when an alarm needs its prefixes explained
};

/// Decides what is abnormal in a population of connections and explains it. Pure: time comes in; one thread.
class AlarmEngine {
public:
    explicit AlarmEngine(AlarmSettings settings);

    void change(AlarmSettings settings);
    /// Takes note of what reactors noticed; only `closed` counts here.
    void note(const Observation& observation);
    /// Looks; returns the alarms that were raised or (with cleared_at) cleared by it.
    [[nodiscard]] std::vector<Alarm> look(const AlarmInput& input);
    [[nodiscard]] AlarmBoard board() const;
};

}  // namespace holdfast
