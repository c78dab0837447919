#pragma once

#include <cstdlib>
#include <string_view>

namespace holdfast {

/// Returns true if a defect is planted that the tests must find (tests/process/test_oracle.py, test_simulator.py). Only
/// the targets holdfast_planted and holdfast_simulator_planted are compiled with HOLDFAST_PLANT. Their environment
/// variable of that name selects the defect. Everywhere else this is a constant false, and the program contains nothing
/// of the defect.
#ifdef HOLDFAST_PLANT
inline bool planted(std::string_view defect) {
    static const char* const chosen = std::getenv("HOLDFAST_PLANT");
    return chosen != nullptr && defect == chosen;
}
#else
constexpr bool planted(std::string_view) { return false; }
#endif

}  // namespace holdfast
