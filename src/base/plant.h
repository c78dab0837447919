#pragma once

#include <cstdlib>
#include <string_view>

namespace holdfast {

/// Whether a defect is planted that the tests must find (tests/process/test_oracle.py). Only the target
/// holdfast_planted is compiled with HOLDFAST_PLANT; there the environment variable of that name chooses. Anywhere else
/// it is a constant false, and nothing of the defect is in the program.
#ifdef HOLDFAST_PLANT
inline bool planted(std::string_view defect) {
    static const char* const chosen = std::getenv("HOLDFAST_PLANT");
    return chosen != nullptr && defect == chosen;
}
#else
constexpr bool planted(std::string_view) { return false; }
#endif

}  // namespace holdfast
