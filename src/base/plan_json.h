#pragma once

#include <holdfast/liveness.h>

#include "base/json_writer.h"

namespace holdfast {

/// What follows from detect_within, as fields of an object that is open: the same in `holdfast plan --json` and in the
/// API.
void write_plan_fields(JsonWriter& json, const LivenessPlan& plan);

}  // namespace holdfast
