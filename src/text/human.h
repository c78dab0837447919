#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

// Numbers in human-readable form. Pure.

/// Returns e.g. "12,345".
[[nodiscard]] std::string human_count(std::uint64_t number);
/// Returns e.g. "512 B", "49.1 KiB" or "1.2 GiB".
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// Returns e.g. "0.4s", "61.4s", "5m 12s", "2h 3m" or "12d 4h".
[[nodiscard]] std::string human_seconds(double seconds);

}  // namespace holdfast
