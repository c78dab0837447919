#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/device_word.h"

namespace holdfast {

inline constexpr std::size_t max_token = 256;
inline constexpr std::uint64_t max_seq = (std::uint64_t{1} << 53) - 1;  ///< what every JSON library counts to exactly

/// What a device says of itself: docs/reference/protocol.md.
struct Hello {
    std::string id;
    std::string session;     ///< empty: it does not number its items
    std::uint64_t from = 0;  ///< its next number; 0: it did not say
    std::string token;       ///< empty: it has none; never told to anybody
};

/// Why a connection that says so, without proof, ends as `unauthenticated`; the same wherever the other one is.
inline constexpr std::string_view another_has_proved =
    "a connection that has proved to be this device is there, and this one has not";
inline constexpr std::string_view later_one_has_the_id = "it said its id after a connection that was established later";

}  // namespace holdfast
