#pragma once

#include <chrono>
#include <string>

#include "load/load_counts.h"
#include "load/run_load.h"

namespace holdfast {

/// What happened between two progress lines, as one line without its end. Pure.
[[nodiscard]] std::string progress_line(const LoadCounts& now, const LoadCounts& before, std::uint32_t wanted,
                                        std::chrono::milliseconds elapsed, std::chrono::milliseconds since);

/// The summary for people, several lines. Pure.
[[nodiscard]] std::string summary_text(const LoadReport& report, const LoadOptions& options);
/// The same as one JSON object. Pure.
[[nodiscard]] std::string summary_json(const LoadReport& report, const LoadOptions& options);

}  // namespace holdfast
