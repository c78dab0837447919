#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

// Durations and sizes as people write them in configuration files and on the command line. Pure; any thread.
// An error's message starts with the text at fault and says how to write it.

/// "500ms", "30s", "1.5s", "5m", "1h": one number and its unit, a whole number of milliseconds, at most 1000000h.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// "65536", "512B", "64KiB", "1MiB", "1GiB" (powers of 1024), "64KB", "1MB", "1GB" (powers of 1000); case does not
/// matter.
[[nodiscard]] Result<std::size_t> parse_size(std::string_view text);

/// The shortest form that parse_duration reads back unchanged: "30s", "1.5s", "90s", "5m". A negative one has a '-'.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

/// The largest binary unit that divides it: "64KiB", "1000B".
[[nodiscard]] std::string format_size(std::size_t bytes);

}  // namespace holdfast
