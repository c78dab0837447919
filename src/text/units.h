#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

// Durations and sizes in the form of configuration files and flags. Pure; any thread. An error's message starts with
// the faulty text and says how to write it.

/// Parses "500ms", "30s", "1.5s", "5m" or "1h": one number and its unit, a whole number of milliseconds, at most
/// 1000000h.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Parses "65536", "512B", "64KiB", "1MiB", "1GiB" (powers of 1024), "64KB", "1MB" or "1GB" (powers of 1000), in any
/// case.
[[nodiscard]] Result<std::size_t> parse_size(std::string_view text);

/// Returns the shortest form that parse_duration reads back unchanged: "30s", "1.5s", "90s", "5m". A negative duration
/// has a '-'.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

/// Returns the size in the largest binary unit that divides it: "64KiB", "1000B".
[[nodiscard]] std::string format_size(std::size_t bytes);

}  // namespace holdfast
