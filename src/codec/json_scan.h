#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "codec/framing.h"

namespace holdfast {

/// The white space of RFC 8259, section 2.
[[nodiscard]] constexpr bool is_json_space(char byte) noexcept {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

[[nodiscard]] constexpr std::size_t skip_json_space(std::span<const char> window, std::size_t from) noexcept {
    while (from < window.size() && is_json_space(window[from])) ++from;
    return from;
}

/// Where the object at the front of a window ends, or why it does not.
struct ObjectScan {
    enum class Outcome : std::uint8_t {
        complete,   ///< it is [0, at)
        malformed,  ///< the byte at `at` cannot stand there
        restarted,  ///< another object starts at `at`, on a line of its own, where none can: the first was never closed
        unfinished,  ///< the window, or its first max_bytes, ended before it did; `scan` says where
    };
    Outcome outcome = Outcome::unfinished;
    std::size_t at = 0;
};

/// Finds the end of the object that starts at window[0] (or does not), counting brackets outside strings, from where
/// `scan` stopped. Looks at no byte past max_bytes, at none twice, and needs no memory however deep it nests. Pure.
[[nodiscard]] ObjectScan scan_object(std::span<const char> window, FrameScan& scan, std::size_t max_bytes) noexcept;

}  // namespace holdfast
