#pragma once

#include <chrono>
#include <string>

#include "load/load_counts.h"
#include "load/run_load.h"

namespace holdfast {

/// Formats the changes between two progress lines as one line without its end. Pure.
[[nodiscard]] std::string progress_line(const LoadCounts& now, const LoadCounts& before, std::uint32_t wanted,
                                        std::chrono::milliseconds elapsed, std::chrono::milliseconds since);

/// Formats the summary as several lines of text. Pure.
[[nodiscard]] std::string summary_text(const LoadReport& report, const LoadOptions& options);
/// Formats the summary as one JSON object. Pure.
[[nodiscard]] std::string summary_json(const LoadReport& report, const LoadOptions& options);

}  // namespace holdfast
