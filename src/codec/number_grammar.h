#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

/// Returns the depth of the brackets in `json` outside strings. For valid JSON this is the depth; for any other text,
/// at least the depth that a parser would reach. Pure; needs no memory at any depth.
[[nodiscard]] std::size_t nesting_depth(std::string_view json) noexcept;

/// Replaces each number in `json` by a 0 and spaces, so that a parser with a limit on numbers can check the rest.
/// Returns false if a number breaks the grammar of RFC 8259, section 6. Text that is otherwise invalid JSON stays
/// invalid.
[[nodiscard]] bool shrink_numbers(std::string& json) noexcept;

}  // namespace holdfast
