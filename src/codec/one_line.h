#pragma once

#include <string>
#include <string_view>

namespace holdfast {

/// Appends `json` with its raw line breaks as spaces. Valid JSON has them only between tokens (RFC 8259, 2 and 7).
/// Pure.
void append_one_line(std::string& out, std::string_view json);

/// Copies `json` in the same way to `to` and returns the end of the copy. Reads each byte once.
[[nodiscard]] char* copy_one_line(char* to, std::string_view json) noexcept;

}  // namespace holdfast
