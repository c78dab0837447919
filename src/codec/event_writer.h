#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/bad_items.h>
#include <holdfast/events.h>

#include "codec/event_line.h"

namespace holdfast {

/// Appends events as lines of JSON, newline included, exactly as in docs/reference/events.md; each line depends on its
/// event alone. Owns the text of the last item's connection, device and instant, which the next item usually shares.
/// One per handler; not thread-safe.
class EventWriter {
public:
    void append_connected(std::string& out, const ConnectedEvent& event);
    /// Appends an item. Raw line breaks in it (white space between tokens, in the json and length framings) become
    /// spaces, so that an event is one line. Every other byte of the device's object is unchanged.
    void append_item(std::string& out, const ItemEvent& event);
    void append_closed(std::string& out, const ClosedEvent& event);
    void append_identified(std::string& out, const IdentifiedEvent& event);
    void append_bad_item(std::string& out, const BadItemEvent& event);

private:
    [[nodiscard]] bool remembers(const ItemEvent& event) const;
    void remember_connection(const ItemEvent& event);
    void remember_time(EventTime at);

    ConnectionId conn_;
    Endpoint peer_;
    std::string id_;  ///< the device's name, with session_ and authenticated_
    std::string session_;
    bool authenticated_ = false;
    std::string item_head_;  ///< an item line up to its first number, for all of the above; empty before the first
    std::optional<EventTime> at_;
    std::string tail_;  ///< end of every line at at_
};

// Events that stand for what a lost process did not write. Their lines are appended with their '\n'. Pure.

/// `closed` of a connection that an earlier process left open in the spool.
struct ClosedAfterRestart {
    static constexpr CloseReason reason = CloseReason::gateway_lost;
    static constexpr std::string_view detail = "the gateway ended without closing it";
    std::string_view conn;
    EventLines lines;  ///< `identified` and `connected`
    std::optional<std::uint64_t> items;
    std::string_view connected_at;
    std::string_view last_event_at;
    EventTime at;
};
void append_event(std::string& out, const ClosedAfterRestart& event);

/// `closed` of a connection of a lost gateway of the fleet.
struct ClosedByFleet {
    static constexpr CloseReason reason = CloseReason::gateway_lost;
    ConnectionId conn;
    std::string_view listener;
    Endpoint peer;
    DeviceName device;
    std::string_view detail;
    std::string_view gateway;
    std::string_view by;
    EventTime at;
};
void append_event(std::string& out, const ClosedByFleet& event);

/// `connected` with "returned":true of a connection that was reported as lost.
struct ConnectedAgain {
    ConnectionId conn;
    std::string_view listener;
    Endpoint peer;
    DeviceName device;
    std::string_view gateway;
    EventTime at;
};
void append_event(std::string& out, const ConnectedAgain& event);

/// In NATS, in place of an event that JetStream does not take.
struct DeadLetter {
    std::string_view of;
    EventLines lines;
    std::string_view listener;
    std::string_view spool;
    std::string_view epoch;
    std::uint64_t position = 0;
    std::size_t bytes = 0;
    std::string_view why;
    std::string_view at;
};
void append_event(std::string& out, const DeadLetter& event);

// JSON without a line end, for the answers of the admin API.
void append_closed_life(std::string& out, const ClosedLife& life);
void append_evidence(std::string& out, const Evidence& evidence);
void append_bad_item(std::string& out, const BadItemFacts& facts);
void append_bad_item_row(std::string& out, const BadItemRow& row);
/// Appends {"not_json":3}: the kinds that occurred.
void append_bad_item_counts(std::string& out, const std::array<std::uint64_t, bad_item_count>& counts);

/// Appends the time as "2026-11-22T08:00:00.123Z". An instant outside the years 0000 to 9999 is clamped to them. Pure.
void append_time(std::string& out, EventTime at);

}  // namespace holdfast
