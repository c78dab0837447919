#pragma once

#include <chrono>
#include <string_view>

#include <holdfast/drain.h>
#include <holdfast/liveness.h>

#include "base/json_writer.h"

namespace holdfast {

// Parts that several answers share; private to the renderers.

[[nodiscard]] inline double as_seconds(std::chrono::milliseconds duration) {
    return static_cast<double>(duration.count()) / 1000.0;
}

void write_plan_object(JsonWriter& json, const LivenessPlan& plan);
void write_evidence_object(JsonWriter& json, const Evidence& evidence);
/// Writes {"state":"running",...} as the value of a field or as a document.
void write_drain(JsonWriter& json, const DrainStatus& drain);
/// Writes null for an empty text.
void write_or_null(JsonWriter& json, std::string_view text);

}  // namespace holdfast
