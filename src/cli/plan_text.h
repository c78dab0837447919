#pragma once

#include <string>

#include <holdfast/liveness.h>

#include "text/json_writer.h"

namespace holdfast {

/// Prints the socket options, the gateway's limits, the worst case of each failure, and the cost of packet loss.
void print_plan(const LivenessPlan& plan);

/// Writes the fields of `holdfast plan --json` into an open object.
void write_plan(JsonWriter& json, const LivenessPlan& plan);

/// Returns the false closes of 10,000 idle connections in a day, at 1 % loss in each direction: "0.18", "4,938", "under
/// 0.01".
[[nodiscard]] std::string false_deaths_text(const LivenessPlan& plan);

}  // namespace holdfast
