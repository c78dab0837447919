#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>
#include <holdfast/reason.h>
#include <holdfast/watch.h>

#include "alarm/alarm_book.h"
#include "alarm/alarm_engine.h"
#include "alarm/window_statistics.h"
#include "model/reason_row.h"

namespace holdfast {

struct CloseRecord {
    IpAddress peer;
    std::chrono::steady_clock::time_point at;
    std::chrono::steady_clock::time_point opened;
    CloseReason reason{};
    std::uint8_t listener = 0;  ///< ListenerStatus::number
    std::uint16_t port = 0;     ///< of the peer
    bool bad_items = false;     ///< its latest item was bad
};

/// Stores the latest ended connections with their addresses, at most `max` (10 MB), oldest first. The counters also
/// include ends without room here. A value; one thread.
class CloseLog {
public:
    using Time = std::chrono::steady_clock::time_point;
    static constexpr std::size_t max = 262'144;

    /// Records a `closed` observation that has a class, or a takeover.
    void note(const Observation& observation);
    /// Marks the record as incomplete up to `time`: ends were counted that could not be observed individually.
    void note_gap(Time time) { gap_ = time; }
    void forget_before(Time time);
    /// Returns the ends that have a class.
    [[nodiscard]] std::vector<CloseRecord> of(std::uint8_t listener, Time since) const;
    /// Returns the ends that have a class, and takeovers.
    [[nodiscard]] std::vector<CloseRecord> with_takeovers(std::uint8_t listener, Time since) const;
    /// Returns false if ends since then are missing from the record.
    [[nodiscard]] bool is_complete_since(Time since) const { return !gap_ || *gap_ < since; }
    [[nodiscard]] std::size_t size() const { return closes_.size(); }

private:
    std::deque<CloseRecord> closes_;
    std::optional<Time> gap_;
};

/// State that all watches share in one evaluation.
struct Sample {
    std::chrono::steady_clock::time_point now;
    const AlarmConfig& settings;
    const CloseLog& closes;
    const std::function<std::vector<CensusEntry>()>& census;
    AlarmBook& book;
    const std::vector<LinkOutage>& links;
    EventTime wall;
    bool draining = false;
    bool minute_ended = false;  ///< a minute of learning is complete
};

/// A listener and its changes since the last evaluation.
struct ListenerStep {
    const std::string& name;
    std::uint8_t number = 0;
    const LivenessPlan& plan;
    const PopulationHistory& history;
    std::optional<std::chrono::milliseconds> read_idle = {};
    std::uint64_t population = 0;
    bool accept_paused = false;
    std::uint64_t accepted = 0;
    std::uint64_t refused_descriptors = 0;
    std::array<std::uint64_t, close_class_count> closes{};  ///< by CloseClass
    std::uint64_t superseded = 0;                           ///< ends by a takeover
    std::uint64_t suspects = 0;                             ///< now
    std::uint64_t suspected = 0;                            ///< times that a connection became suspect
    std::uint64_t recovered = 0;                            ///< times that a suspect answered again
    std::uint64_t items = 0;
    std::array<std::uint64_t, bad_item_count> bad_items{};
};

}  // namespace holdfast
