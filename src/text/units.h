#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

// Durations and sizes in the form of configuration files and flags. Pure; any thread. An error's message starts with
// the faulty text and says how to write it.

/// Parses "500ms", "30s", "1.5s", "5m" or "1h": one number and its unit, a whole number of milliseconds, at most
/// 1000000h.
[[nodiscard]] Result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// Parses "2026-11-22T08:00:00.123Z" (RFC 3339, also with an offset), "1795334400" (seconds since 1970), or "10m": a
/// duration before `now`.
[[nodiscard]] Result<std::chrono::sys_time<std::chrono::milliseconds>> parse_time(
    std::string_view text, std::chrono::sys_time<std::chrono::milliseconds> now);

/// Parses "65536", "512B", "64KiB", "1MiB", "1GiB" (powers of 1024), "64KB", "1MB" or "1GB" (powers of 1000), in any
/// case.
[[nodiscard]] Result<std::size_t> parse_size(std::string_view text);

/// Returns the shortest form that parse_duration reads back unchanged: "30s", "1.5s", "90s", "5m". A negative duration
/// has a '-'.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds duration);

/// Returns the size in the largest binary unit that divides it: "64KiB", "1000B".
[[nodiscard]] std::string format_size(std::size_t bytes);

/// Returns "2026-11-22T08:00:00Z", which parse_time reads; fractions of a second are cut off.
[[nodiscard]] std::string format_time(std::chrono::sys_time<std::chrono::milliseconds> time);

// Numbers in human-readable form. Pure.

/// Returns e.g. "12,345".
[[nodiscard]] std::string human_count(std::uint64_t number);
/// Returns e.g. "1 byte" or "12345 bytes".
[[nodiscard]] std::string count_of(std::uint64_t number, std::string_view noun);
/// Returns e.g. "512 B", "49.1 KiB" or "1.2 GiB".
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// Returns e.g. "0.4s", "61.4s", "5m 12s", "2h 3m" or "12d 4h".
[[nodiscard]] std::string human_seconds(double seconds);

/// Returns "ETIMEDOUT", "errno 4095" for an errno without a name, or an empty text for 0.
[[nodiscard]] std::string error_name(int error);
/// Returns the errno of such a text; 0 for another text.
[[nodiscard]] int parse_error_name(std::string_view name);

}  // namespace holdfast
