#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

/// Text from outside, made safe for one line on a terminal: control characters (ASCII, and U+0080 to U+009F) become
/// \n, \t or \x1b, and a backslash \\; other bytes stay. Pure.
[[nodiscard]] std::string printable(std::string_view text);

/// The same between double quotes, '"' as \", cut after `longest` bytes with "..." behind it. For messages.
[[nodiscard]] std::string in_quotes(std::string_view text, std::size_t longest = 80);

/// The same for the path of a file, which is never cut.
[[nodiscard]] inline std::string path_in_quotes(std::string_view path) { return in_quotes(path, path.size()); }

}  // namespace holdfast
