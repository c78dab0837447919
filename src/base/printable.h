#pragma once

#include <string>
#include <string_view>

namespace holdfast {

/// Text from outside, made safe for one line on a terminal: control characters (ASCII, and U+0080 to U+009F) become
/// \n, \t or \x1b, and a backslash \\; other bytes stay. Pure.
[[nodiscard]] std::string printable(std::string_view text);

/// The same between double quotes, '"' as \", cut after 80 bytes with "..." behind it. For messages.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace holdfast
