#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <holdfast/bad_items.h>
#include <holdfast/events.h>

#include "codec/event_line.h"

namespace holdfast {

// The pieces of the table of events (codec/event_fields.h): a field, a kind, and variants of a field.

/// Type of a field's JSON value.
enum class FieldType : std::uint8_t {
    text,
    conn,
    endpoint,
    flag,
    count,
    seconds,
    time,
    evidence,
    object,
    item,
    reason,
    kind
};

/// Result of a field's function for a value with its own form in JSON.
struct JsonCopy {  ///< JSON of an earlier event's line
    std::string_view text;

    [[nodiscard]] bool empty() const { return text.empty(); }
};
struct ItemText {  ///< JSON, in which raw line breaks become spaces, or a string as Payload says
    std::string_view text;
    Payload payload = Payload::json;
};
struct TenthsOfSeconds {
    std::chrono::milliseconds duration;
};
struct Seconds {
    std::chrono::milliseconds duration;
};
struct EventEvidence {  ///< the part of the evidence that events have
    Evidence evidence;
};

struct CountsOfBadItems {  ///< an object with the kinds that occurred
    std::array<std::uint64_t, bad_item_count> counts;
};

/// A field. `get` takes the event and returns the value: std::nullopt if the field is absent or, if it is nullable,
/// null.
template <typename Get>
struct EventField {
    std::string_view name;
    FieldType type;
    std::string_view present;
    std::string_view help;
    std::string_view example;  ///< JSON; empty: the page fills it in
    Get get;
    bool is_nullable = false;
};
template <typename Get>
EventField(std::string_view, FieldType, std::string_view, std::string_view, std::string_view, Get) -> EventField<Get>;

/// A kind of event. Several kinds may have the same word: the field `event` has it.
template <typename Fields>
struct EventKind {
    std::string_view word;
    std::string_view name;  ///< of the kind, in the schema
    std::string_view help;
    Fields fields;  ///< a tuple; `at` is the last
};
template <typename Fields>
EventKind(std::string_view, std::string_view, std::string_view, Fields) -> EventKind<Fields>;

namespace field {

constexpr std::string_view always = "always";
constexpr std::string_view null = "always null";
constexpr std::string_view with_id = "if the device has an id";

/// Returns the text unless it is empty.
template <typename Text>
[[nodiscard]] std::optional<Text> unless_empty(Text text) {
    return text.empty() ? std::nullopt : std::optional<Text>(std::move(text));
}

[[nodiscard]] inline DeviceName device_of(const ClosedLife& life) { return {life.id, {}, life.authenticated}; }
[[nodiscard]] inline DeviceName device_of(const BadItemRow& row) { return {row.id, {}, row.authenticated}; }
[[nodiscard]] const DeviceName& device_of(const auto& event) { return event.device; }

// Variants of a field.
template <typename Get>
[[nodiscard]] constexpr auto when(EventField<Get> field, std::string_view present) {
    field.present = present;
    return field;
}
template <typename Get>
[[nodiscard]] constexpr auto such_as(EventField<Get> field, std::string_view example) {
    field.example = example;
    return field;
}
template <typename Get, typename Other>
[[nodiscard]] constexpr auto with(const EventField<Get>& field, Other get) {
    EventField other{field.name, field.type, field.present, field.help, field.example, get};
    other.is_nullable = field.is_nullable;
    return other;
}
template <typename Get>
[[nodiscard]] constexpr auto nullable(EventField<Get> field, std::string_view present) {
    field.present = present;
    field.is_nullable = true;
    return field;
}
/// Returns the field of an earlier event's line, found by its name.
template <typename Get>
[[nodiscard]] constexpr auto copied(const EventField<Get>& field) {
    return with(field,
                [name = field.name](const auto& event) { return unless_empty(JsonCopy{event.lines.value(name)}); });
}

/// Returns the field without a value, which was lost with its process.
template <typename Get>
[[nodiscard]] constexpr auto unknown(const EventField<Get>& field) {
    return nullable(with(field, [](const auto&) { return std::optional<JsonCopy>(); }), null);
}

}  // namespace field

}  // namespace holdfast
