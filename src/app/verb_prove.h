#pragma once

#include <string>

namespace holdfast {

/// `holdfast doctor --prove`: measures the death table for `detect_within` and prints it. Returns the exit code: 0
/// every promise was kept, 1 one was not, 2 it cannot be measured here.
int prove_verb(const std::string& detect_within, bool json);

}  // namespace holdfast
