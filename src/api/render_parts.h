#pragma once

#include <chrono>
#include <string_view>

#include <holdfast/drain.h>
#include <holdfast/liveness.h>

#include "text/json_writer.h"

namespace holdfast {

// Pieces that several answers share; private to the renderers.

[[nodiscard]] inline double as_seconds(std::chrono::milliseconds duration) {
    return static_cast<double>(duration.count()) / 1000.0;
}

void write_plan_object(JsonWriter& json, const LivenessPlan& plan);
/// Writes {"state":"running",...}: the value of an object's field or a document.
void write_drain(JsonWriter& json, const DrainStatus& drain);
/// Writes the text, or null if it is empty.
void write_or_null(JsonWriter& json, std::string_view text);

}  // namespace holdfast
