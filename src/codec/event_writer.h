#pragma once

#include <string>

#include <holdfast/events.h>

namespace holdfast {

/// Append one event as one line of JSON, '\n' included, exactly as in docs/EVENTS.md. `out` only grows. Pure.
/// An item's raw line breaks (white space between tokens, in the json and length framings) become spaces, so that one
/// event stays one line; every other byte of the device's object is unchanged.
void append_connected(std::string& out, const ConnectedEvent& event);
void append_item(std::string& out, const ItemEvent& event);
void append_closed(std::string& out, const ClosedEvent& event);

/// Append `text` as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// "2026-11-22T08:00:00.123Z"
void append_time(std::string& out, EventTime at);

}  // namespace holdfast
