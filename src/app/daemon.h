#pragma once

#include "config/daemon_config.h"

namespace holdfast {

/// Runs the gateway until SIGTERM or SIGINT (drains; a second one stops at once) or until its sink is lost. Returns the
/// exit code: 0 after an orderly stop, 1 when events could not be handed on, 2 when it could not start.
int serve(const DaemonConfig& config);

}  // namespace holdfast
