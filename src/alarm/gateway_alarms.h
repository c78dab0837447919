#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alarm/alarm_book.h"
#include "alarm/alarm_engine.h"

namespace holdfast {

// Alarms of the gateway as a whole; docs/tasks/alarms.md has the rules. One thread.

/// sink_lag: the sink fails, is full, or has events and does not write them; or forwarding fails or lags by a minute.
class SinkWatch {
public:
    static constexpr std::chrono::seconds timeout{5};     ///< for a sink that is full or makes no progress
    static constexpr std::chrono::seconds works_for{10};  ///< then the alarm is cleared
    static constexpr std::chrono::seconds max_lag{60};    ///< of forwarding

    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    using Time = std::chrono::steady_clock::time_point;
    [[nodiscard]] bool is_wrong(const SinkStatus& sink, Time now);
    [[nodiscard]] bool forwarding_is_wrong(const SinkStatus& sink, Time now);
    void explain(Alarm& alarm, const SinkStatus& sink) const;
    static void explain_forwarding(Alarm& alarm, const ForwarderStatus& nats);

    std::uint64_t written_ = 0;
    std::optional<Time> stands_since_;
    std::optional<Time> full_since_;
    std::optional<Time> failing_since_;  // forwarding
    bool sink_is_wrong_ = false;         // the sink itself, not only forwarding
    Episode episode_;
};

/// registry_drift: the latest reconciliation found a difference between registry and kernel, or failed twice in a row.
class DriftWatch {
public:
    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const Reconciliation& reconciled);

    std::optional<EventTime> seen_;
    unsigned failures_ = 0;  // in a row
    Episode episode_;
};

/// buffer_pressure: the gateway acts on a shortage of buffer memory (ServerStatus::buffer_stage).
class BufferWatch {
public:
    static constexpr std::chrono::seconds plenty_for{10};  ///< then the alarm is cleared

    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const ServerStatus& status);

    Episode episode_;
};

/// link_down: an interface or route of this host that leads to connected peers has failed.
class LinkWatch {
public:
    static constexpr std::chrono::seconds works_for{3};  ///< then the alarm is cleared

    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const AlarmInput& input);

    Episode episode_;
};

/// duplicate_device: takeovers of an id were delayed within the last minute (ServerStatus::duplicates). One thread.
class DuplicateWatch {
public:
    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const std::vector<DuplicateDevice>& duplicates);

    Episode episode_;
};

/// worker_restarted: the server took over from a process that crashed (ServerStatus::takeover).
class RestartWatch {
public:
    static constexpr std::chrono::minutes lasts{10};  ///< then the alarm is cleared

    void evaluate(AlarmBook& book, const AlarmInput& input);

private:
    static void explain(Alarm& alarm, const Takeover& takeover);

    bool was_raised_ = false;
    Episode episode_;
};

}  // namespace holdfast
