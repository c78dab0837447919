#pragma once

#include <cstddef>
#include <cstdint>
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

}  // namespace holdfast
