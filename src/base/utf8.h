#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast {

/// One step through bytes that should be UTF-8 (RFC 3629).
struct CodePoint {
    char32_t value = 0;
    std::size_t size = 0;  ///< bytes it takes; 0: the first byte does not begin a code point
};

/// Reads the code point at the start of `text`, which is not empty. Overlong forms, surrogates and values past
/// U+10FFFF are not code points. Pure.
[[nodiscard]] CodePoint next_code_point(std::string_view text) noexcept;

}  // namespace holdfast
