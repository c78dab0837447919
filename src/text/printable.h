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

/// Returns true if a terminal interprets the code point or does not show it. These are the control characters, and
/// those that hide, join or reorder the text around them, such as U+202E. The one table of such characters. Pure.
[[nodiscard]] bool is_unsafe(char32_t point) noexcept;

/// Makes untrusted text safe for one line on a terminal. Unsafe characters become \n, \t, \x1b, \u202e or \U000e0001. A
/// byte that is not UTF-8 becomes \x9b, and a backslash becomes \\. The rest stays. Pure.
[[nodiscard]] std::string printable(std::string_view text);

/// Makes lines for people safe: like printable(), but line ends (CR LF, too), tabs and backslashes stay. Pure.
[[nodiscard]] std::string printable_lines(std::string_view text);

/// Appends the escape of an unsafe code point in a JSON string: \u202e, or a surrogate pair.
void append_json_unsafe(std::string& out, char32_t point);

/// Makes JSON text safe for a terminal without a change of its values. Unsafe characters become \u202e, line feeds and
/// tabs stay, and a byte that is not UTF-8 becomes U+FFFD. Pure.
[[nodiscard]] std::string printable_json(std::string_view json);

/// Makes bytes of any protocol safe in the same way. The result is UTF-8, and the bytes follow from it: those that
/// are not UTF-8, or that printable() escapes, become \xff each. Pure.
[[nodiscard]] std::string printable_bytes(std::string_view bytes);

/// Returns printable(text), with single backslashes: for text that printable_bytes() has made elsewhere. Pure.
[[nodiscard]] std::string printable_again(std::string_view text);

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
