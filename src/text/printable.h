#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

/// Makes untrusted text safe for one line on a terminal. Control characters (ASCII, and U+0080 to U+009F) become \n,
/// \t or \x1b, and a backslash becomes \\. Other bytes stay. Pure.
[[nodiscard]] std::string printable(std::string_view text);

/// Returns printable(text) in double quotes, with '"' as \", cut after `longest` bytes with "..." behind it. For
/// messages.
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t longest = 80);

/// Returns a file's path like in_quotes(), never cut.
[[nodiscard]] inline std::string path_in_quotes(std::string_view path) { return in_quotes(path, path.size()); }

}  // namespace holdfast
