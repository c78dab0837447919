#pragma once

#include <vector>

#include "config/daemon_config.h"
#include "server/validate.h"

namespace holdfast {

/// All that is wrong with `config` as a whole: the server's part, the sink (its directory is looked at, nothing is
/// made) and the admin address.
[[nodiscard]] std::vector<Violation> find_violations(const DaemonConfig& config);

/// What is allowed but probably not wanted.
[[nodiscard]] std::vector<Violation> find_warnings(const DaemonConfig& config);

}  // namespace holdfast
