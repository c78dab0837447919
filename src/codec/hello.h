#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "text/device_word.h"

namespace holdfast {

inline constexpr std::size_t max_token = 256;
/// Largest number that every JSON library represents exactly.
inline constexpr std::uint64_t max_seq = (std::uint64_t{1} << 53) - 1;

/// Hello of a device: docs/reference/protocol.md.
struct Hello {
    std::string id;
    std::string session;     ///< empty: items are not numbered
    std::uint64_t from = 0;  ///< next number of the device; 0: not stated
    std::string token;       ///< empty: none; never written to any output
};

/// Detail of an `unauthenticated` close: another connection, on any gateway, has proved the id, and this one has not.
inline constexpr std::string_view another_has_proved =
    "a connection that has proved to be this device is there, and this one has not";
inline constexpr std::string_view later_one_has_the_id = "it said its id after a connection that was established later";

}  // namespace holdfast
