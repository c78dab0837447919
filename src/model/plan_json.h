#pragma once

#include <holdfast/liveness.h>

#include "text/json_writer.h"

namespace holdfast {

/// Writes the values that follow from detect_within as fields of the open object. `holdfast plan --json` and the API
/// share it.
void write_plan_fields(JsonWriter& json, const LivenessPlan& plan);

}  // namespace holdfast
