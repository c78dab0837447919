#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

inline constexpr std::size_t max_device_id = 128;  ///< bytes
inline constexpr std::size_t max_session = 64;
inline constexpr std::size_t max_token = 256;
inline constexpr std::uint64_t max_seq = (std::uint64_t{1} << 53) - 1;  ///< what every JSON library counts to exactly

/// What a device says of itself: docs/PROTOCOL.md.
struct Hello {
    std::string id;
    std::string session;     ///< empty: it does not number its items
    std::uint64_t from = 0;  ///< its next number; 0: it did not say
    std::string token;       ///< empty: it has none; never told to anybody
};

/// Whether it is UTF-8 without control characters, and 1 to `most` bytes: an id or a session. Pure.
[[nodiscard]] bool is_device_word(std::string_view text, std::size_t most) noexcept;

}  // namespace holdfast
