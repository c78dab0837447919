#pragma once

#include <string>

namespace holdfast {

// The pages of docs/reference about events, printed from the table in codec/event_fields.h. Pure.

/// docs/reference/events.md
[[nodiscard]] std::string events_page();
/// docs/reference/events.schema.json (JSON Schema 2020-12)
[[nodiscard]] std::string events_schema();
/// docs/reference/asyncapi.json (AsyncAPI 3.0): the subjects in NATS, with that schema
[[nodiscard]] std::string events_asyncapi();

}  // namespace holdfast
