#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

/// Result of decoding one code point of UTF-8 (RFC 3629).
struct CodePoint {
    char32_t value = 0;
    std::size_t size = 0;  ///< bytes it takes; 0: the first byte does not begin a code point
};

/// Decodes the code point at the start of `text`, which is not empty. Overlong forms, surrogates and values past
/// U+10FFFF are invalid. Pure.
[[nodiscard]] CodePoint next_code_point(std::string_view text) noexcept;

/// Makes untrusted text safe for one line on a terminal. Control characters (ASCII, and U+0080 to U+009F) become \n,
/// \t or \x1b, and a backslash becomes \\. Other bytes stay. Pure.
[[nodiscard]] std::string printable(std::string_view text);

/// Returns true for 1 to 64 of A-Z a-z 0-9 _ . -, as the names of listeners, groups, streams and gateways are. Pure.
[[nodiscard]] bool is_name(std::string_view text) noexcept;

/// Returns printable(text) in double quotes, with '"' as \", cut after `longest` bytes with "..." behind it. For
/// messages.
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t longest = 80);

/// Returns a file's path like in_quotes(), never cut.
[[nodiscard]] inline std::string path_in_quotes(std::string_view path) { return in_quotes(path, path.size()); }

inline constexpr std::size_t max_device_id = 128;  ///< bytes
inline constexpr std::size_t max_session = 64;

/// Returns true if `text` is UTF-8 without control characters of 1 to `max` bytes, as ids and sessions must be. Pure.
[[nodiscard]] bool is_device_word(std::string_view text, std::size_t max) noexcept;

}  // namespace holdfast
