#pragma once

#include <vector>

#include "config/daemon_config.h"
#include "server/validate.h"

namespace holdfast {

/// What is wrong with the sink, and with what needs one of its kind. Its places are looked at, nothing is made.
void check_sink(const DaemonConfig& config, std::vector<Violation>& out);

}  // namespace holdfast
