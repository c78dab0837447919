#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast {

/// Kinds of events in the life of a connection.
enum class LifeEvent : std::uint8_t { none, connected, identified, item, bad_item, closed };

/// Returns the word in the field `event`; "item" for none.
[[nodiscard]] std::string_view to_string(LifeEvent event);

struct LifeLine {
    LifeEvent event = LifeEvent::none;  ///< none: the line is not an event of a connection
    std::string_view conn;              ///< as written; a view into the line
};

/// Returns the event and the connection of a line by EventWriter, which writes both fields first. Pure.
[[nodiscard]] LifeLine life_line(std::string_view line);

/// Returns the JSON value of a top-level field of an event line, a string with its quotes; empty if the field is
/// missing. `name` must not also be the name of a field in a nested object. Pure.
[[nodiscard]] std::string_view raw_field(std::string_view line, std::string_view name);

/// Returns the value of `at`, the last field of an event line, without its quotes; empty if it is missing. Pure.
[[nodiscard]] std::string_view time_of_line(std::string_view line);

/// Lines of earlier events of one connection, from which another event copies its fields.
struct EventLines {
    std::string_view latest;
    std::string_view earlier = {};
    std::size_t max_bytes = std::string_view::npos;  ///< of a value: a longer one is left out

    /// Returns the JSON value of a field, of the latest line that has it; empty if none has.
    [[nodiscard]] std::string_view value(std::string_view name) const;
};

}  // namespace holdfast
