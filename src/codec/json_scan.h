#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "codec/framing.h"

namespace holdfast {

/// Returns true for white space of RFC 8259, section 2.
[[nodiscard]] constexpr bool is_json_space(char byte) noexcept {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

[[nodiscard]] constexpr std::size_t skip_json_space(std::span<const char> window, std::size_t from) noexcept {
    while (from < window.size() && is_json_space(window[from])) ++from;
    return from;
}

/// Position where the object at the front of a window ends, or why it does not end.
struct ObjectScan {
    enum class Outcome : std::uint8_t {
        complete,    ///< the object is [0, at)
        malformed,   ///< the byte at `at` is not allowed there
        restarted,   ///< another object starts at `at`, on its own line, where none can: the first was never closed
        unfinished,  ///< the window, or its first max_bytes, ended before the object; `scan` has the state
    };
    Outcome outcome = Outcome::unfinished;
    std::size_t at = 0;
};

/// Finds the end of the object or array that starts at window[0]. Counts brackets outside strings, from the position
/// where `scan` stopped. Reads no byte after max_bytes, and none twice. Needs no memory at any depth. Pure.
[[nodiscard]] ObjectScan scan_value(std::span<const char> window, FrameScan& scan, std::size_t max_bytes) noexcept;

/// Returns the depth of the brackets in `json` outside strings. For valid JSON this is the depth; for any other text,
/// at least the depth that a parser would reach. Pure; needs no memory at any depth.
[[nodiscard]] std::size_t nesting_depth(std::string_view json) noexcept;

/// Replaces each number in `json` that is no integer of 64 bits by 0.0 and spaces. A parser with a limit on numbers can
/// then check the rest. Returns false if a number breaks the grammar of RFC 8259, section 6. Text that is
/// otherwise invalid JSON stays invalid.
[[nodiscard]] bool shrink_numbers(std::string& json) noexcept;

/// Replaces each escape of one half of a surrogate pair by that of U+FFFD, of the same length. RFC 8259, section 8.2,
/// allows such escapes, which have no UTF-8 form. Returns whether there was one.
[[nodiscard]] bool replace_lone_surrogates(std::string& json) noexcept;

/// Takes the next element from `rest`, which at first is a whole array of valid JSON. Returns nullopt at its end.
[[nodiscard]] std::optional<std::string_view> next_element(std::string_view& rest) noexcept;

}  // namespace holdfast
