#pragma once

#include <string>

#include <holdfast/liveness.h>

#include "base/json_writer.h"

namespace holdfast {

/// For people: the options, the gateway's own limits, the worst case for each way to die, and what loss costs.
void print_plan(const LivenessPlan& plan);

/// The fields of `holdfast plan --json`, into an object that is open.
void write_plan(JsonWriter& json, const LivenessPlan& plan);

/// Of 10,000 idle connections a day, at 1 % loss each way: "0.18", "4,938", "under 0.01".
[[nodiscard]] std::string false_deaths_text(const LivenessPlan& plan);

}  // namespace holdfast
