#pragma once

#include <cstddef>
#include <string_view>

namespace holdfast {

inline constexpr std::size_t max_device_id = 128;  ///< bytes
inline constexpr std::size_t max_session = 64;

/// Returns true if `text` is UTF-8 without control characters of 1 to `max` bytes, as ids and sessions must be. Pure.
[[nodiscard]] bool is_device_word(std::string_view text, std::size_t max) noexcept;

}  // namespace holdfast
