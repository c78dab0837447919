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

namespace holdfast {

struct AlarmSettings {
    std::chrono::milliseconds window{60'000};
    unsigned drop_percent = 5;
    std::size_t drop_least = 20;
    std::chrono::milliseconds recover_within{120'000};
};

/// State of the sink, as far as alarms need it.
struct SinkHealth {
    std::uint64_t events = 0;      ///< accepted since start
    std::uint64_t lag_events = 0;  ///< of those, not yet written
    bool full = false;             ///< it accepts no more events: devices wait
    std::string error;             ///< why writing fails; empty if it does not

    /// State of forwarding to NATS, if it is configured.
    struct Forwarding {
        std::uint64_t lag_events = 0;     ///< not forwarded yet
        std::chrono::milliseconds lag{};  ///< age of the oldest of them
        std::string error;                ///< why forwarding fails; empty if it does not
        std::string loss = {};            ///< acknowledged events that NATS has recently lost; empty: none
        std::string twin = {};            ///< another gateway with this one's name or spool; empty: none seen
        std::string dead_letter = {};  ///< an event that NATS has recently rejected in its original form; empty: none
    };
    std::optional<Forwarding> forwarding = {};

    /// Sessions of devices with numbered items, stored by a durable sink.
    struct Sessions {
        std::uint64_t max = 0;
        std::uint64_t evicted_authenticated = 0;  ///< since start
        std::uint64_t evicted_unauthenticated = 0;
    };
    Sessions sessions = {};

    /// The gateway's state in its fleet.
    struct Fleet {
        std::string cut_off = {};  ///< why it is cut off; empty if it is not, or without a fleet
        std::string budget = {};   ///< records of closed devices that it recently dropped; empty: none
        std::string twin = {};     ///< another gateway with its name or spool; empty: none
    };
    Fleet fleet = {};

    /// Readability of a durable sink.
    struct Reading {
        std::string error;                 ///< why events cannot be read at present; empty if they can
        std::uint64_t damaged_events = 0;  ///< damaged, and not removed by retention
    };
    Reading reading = {};
};

/// Input of one evaluation of the population, once a second.
struct AlarmInput {
    std::chrono::steady_clock::time_point now;
    EventTime wall;
    const ServerStatus& status;
    SinkHealth sink;
    const Reconciliation* reconciled = nullptr;        ///< the latest, if there is one
    std::function<std::vector<CensusEntry>()> census;  ///< called if an alarm needs its prefixes explained
    std::vector<LinkOutage> links = {};                ///< current outages of the gateway's own links
};

/// Detects and explains abnormal states of a population of connections; docs/tasks/alarms.md has the rules. Pure: the
/// caller passes the time. Owns what it has learned, at most about 10 MB: the addresses of the last 262,144 ended
/// connections and a few KB per listener. One thread.
class AlarmEngine {
public:
    explicit AlarmEngine(AlarmSettings settings);
    AlarmEngine(const AlarmEngine&) = delete;
    AlarmEngine& operator=(const AlarmEngine&) = delete;
    ~AlarmEngine();

    void change(AlarmSettings settings);
    /// Records an observation of a reactor: an end, or a change of suspicion. Call it before the evaluation of a status
    /// that counts it.
    void note(const Observation& observation);
    /// Evaluates the population. Returns the alarms that were raised, cleared (with cleared_at), or whose text changed;
    /// known by their id. An ongoing drop is explained again every five seconds at most.
    [[nodiscard]] std::vector<Alarm> look(const AlarmInput& input);
    [[nodiscard]] AlarmBoard board() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
