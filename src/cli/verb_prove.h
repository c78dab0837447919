#pragma once

#include <string>

namespace holdfast {

/// Runs `holdfast doctor --prove`: measures the time until each failure is detected with `detect_within`, and prints
/// it. Returns 0 if every promise was kept, 1 if one was not, 2 if this host cannot measure it.
int prove_verb(const std::string& detect_within, bool json);

}  // namespace holdfast
