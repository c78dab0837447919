#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/server.h>
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

/// What an alarm must know of the sink.
struct SinkHealth {
    std::uint64_t events = 0;      ///< taken over since start
    std::uint64_t lag_events = 0;  ///< of those, not written yet
    bool full = false;             ///< it takes no more: devices wait
    std::string error;             ///< why it cannot write; empty while it can

    /// Where its events go from there, if they do: NATS.
    struct Forwarding {
        std::uint64_t lag_events = 0;     ///< not there yet
        std::chrono::milliseconds lag{};  ///< the age of the oldest of them
        std::string error;                ///< why they cannot go; empty while they can
        std::string loss = {};            ///< what NATS has lost lately of what it had acknowledged; empty: nothing
        std::string twin = {};            ///< who else has this gateway's name or spool; empty: nobody is seen
        std::string dead_letter = {};     ///< what NATS has lately not taken as it is; empty: nothing
    };
    std::optional<Forwarding> forwarding = {};

    /// Sessions that a durable sink remembers of devices that number their items.
    struct Sessions {
        std::uint64_t most = 0;
        std::uint64_t evicted_authenticated = 0;  ///< since start
        std::uint64_t evicted_unauthenticated = 0;
    };
    Sessions sessions = {};

    /// The gateway's part in its fleet.
    struct Fleet {
        std::string cut_off = {};  ///< why it takes no part; empty while it does, and without a fleet
        std::string budget = {};   ///< what it has lately forgotten of closed devices; empty: nothing
        std::string twin = {};     ///< another gateway with its name or spool; empty: there is none
    };
    Fleet fleet = {};

    /// How a durable sink can be read.
    struct Reading {
        std::string error;                 ///< why events cannot be read now; empty while they can
        std::uint64_t damaged_events = 0;  ///< damaged, and not removed by retention
    };
    Reading reading = {};
};

/// Everything that one look at the population sees; once a second.
struct AlarmInput {
    std::chrono::steady_clock::time_point now;
    EventTime wall;
    const ServerStatus& status;
    SinkHealth sink;
    const Reconciliation* reconciled = nullptr;        ///< the latest, if there was one
    std::function<std::vector<CensusEntry>()> census;  ///< asked when an alarm needs its prefixes explained
    std::vector<LinkOutage> links = {};                ///< outages of the gateway's own links now
};

/// Decides what is abnormal in a population of connections and explains it; docs/tasks/alarms.md has the rules.
/// Pure: time comes in. Owns what it has learned, at most about 10 MB: the addresses of the last 262,144 deaths, and a
/// few KB a listener. One thread.
class AlarmEngine {
public:
    explicit AlarmEngine(AlarmSettings settings);
    AlarmEngine(const AlarmEngine&) = delete;
    AlarmEngine& operator=(const AlarmEngine&) = delete;
    ~AlarmEngine();

    void change(AlarmSettings settings);
    /// Takes note of what reactors noticed: ends, and who became or is no more suspect. Before the look at a status
    /// that counts it.
    void note(const Observation& observation);
    /// Looks; returns the alarms that were raised by it, (with cleared_at) those that were cleared, and those that say
    /// something else than before, known by their id: a drop that goes on is explained again every five seconds at
    /// most.
    [[nodiscard]] std::vector<Alarm> look(const AlarmInput& input);
    [[nodiscard]] AlarmBoard board() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
