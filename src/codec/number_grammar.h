#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

/// How deep the brackets of `json` nest, those in strings not counted. Of valid JSON it is the depth; of anything else,
/// at least what a parser would meet. Pure; no memory however deep.
[[nodiscard]] std::size_t nesting_depth(std::string_view json) noexcept;

/// Replaces each number of `json` by a 0 and spaces, so that a parser with a limit on numbers can judge the rest.
/// False if a number breaks the grammar of RFC 8259, section 6. Text that is not JSON otherwise does not become JSON.
[[nodiscard]] bool shrink_numbers(std::string& json) noexcept;

}  // namespace holdfast
