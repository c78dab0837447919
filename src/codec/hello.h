#pragma once

#include <cstdint>
#include <string>

#include "base/device_word.h"

namespace holdfast {

inline constexpr std::size_t max_token = 256;
inline constexpr std::uint64_t max_seq = (std::uint64_t{1} << 53) - 1;  ///< what every JSON library counts to exactly

/// What a device says of itself: docs/PROTOCOL.md.
struct Hello {
    std::string id;
    std::string session;     ///< empty: it does not number its items
    std::uint64_t from = 0;  ///< its next number; 0: it did not say
    std::string token;       ///< empty: it has none; never told to anybody
};

}  // namespace holdfast
