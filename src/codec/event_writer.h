#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <holdfast/events.h>

namespace holdfast {

/// Appends events as lines of JSON, '\n' included, exactly as in docs/EVENTS.md; what it appends depends on the event
/// alone. Owns the text of the last item's connection, device and instant, which the next item usually shares. One a
/// handler; not thread-safe.
class EventWriter {
public:
    void append_connected(std::string& out, const ConnectedEvent& event);
    /// The item's raw line breaks (white space between tokens, in the json and length framings) become spaces, so that
    /// one event stays one line; every other byte of the device's object is unchanged.
    void append_item(std::string& out, const ItemEvent& event);
    void append_closed(std::string& out, const ClosedEvent& event);
    void append_identified(std::string& out, const IdentifiedEvent& event);

private:
    void remember_connection(const ItemEvent& event);
    void remember_time(EventTime at);
    [[nodiscard]] std::string_view escaped(std::string_view text);

    ConnectionId conn_;
    Endpoint peer_;
    std::string id_;  ///< with session_ and authenticated_, the device's name
    std::string session_;
    bool authenticated_ = false;
    bool has_seq_ = false;
    std::string item_head_;  ///< an item line up to its first number, for all of the above; empty before the first
    std::optional<EventTime> at_;
    std::string tail_;     ///< the end of every line at at_
    std::string escaped_;  ///< the last key that needed it
};

/// "2026-11-22T08:00:00.123Z"; an instant outside the years 0000 to 9999 is written as the nearest inside. Pure.
void append_time(std::string& out, EventTime at);

}  // namespace holdfast
