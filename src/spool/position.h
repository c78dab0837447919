#pragma once

#include <cstdint>

namespace holdfast {

/// Position of an event in a spool: 1 for the first event ever appended, then consecutive. 0 is before the first.
using Position = std::uint64_t;

}  // namespace holdfast
