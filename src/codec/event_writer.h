#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <holdfast/events.h>

namespace holdfast {

/// Appends events as lines of JSON, newline included, exactly as in docs/EVENTS.md; each line depends on its event
/// alone. Owns the text of the last item's connection, device and instant, which the next item usually shares. One per
/// handler; not thread-safe.
class EventWriter {
public:
    void append_connected(std::string& out, const ConnectedEvent& event);
    /// Appends an item. Raw line breaks in it (white space between tokens, in the json and length framings) become
    /// spaces, so that an event is one line. Every other byte of the device's object is unchanged.
    void append_item(std::string& out, const ItemEvent& event);
    void append_closed(std::string& out, const ClosedEvent& event);
    void append_identified(std::string& out, const IdentifiedEvent& event);

private:
    void remember_connection(const ItemEvent& event);
    void remember_time(EventTime at);
    [[nodiscard]] std::string_view escaped(std::string_view text);

    ConnectionId conn_;
    Endpoint peer_;
    std::string id_;  ///< the device's name, with session_ and authenticated_
    std::string session_;
    bool authenticated_ = false;
    bool has_seq_ = false;
    std::string item_head_;  ///< an item line up to its first number, for all of the above; empty before the first
    std::optional<EventTime> at_;
    std::string tail_;     ///< end of every line at at_
    std::string escaped_;  ///< last key that needed escapes
};

/// Appends the time as "2026-11-22T08:00:00.123Z". An instant outside the years 0000 to 9999 is clamped to them. Pure.
void append_time(std::string& out, EventTime at);

}  // namespace holdfast
