#pragma once

#include <cstdint>

namespace holdfast {

/// Of an event in a spool: 1 for the first it ever took, one more for each after it, for ever. 0: before the first.
using Position = std::uint64_t;

}  // namespace holdfast
