#pragma once

#include "config/daemon_config.h"

namespace holdfast {

/// Whether a gateway with this configuration has keys, tokens or passwords in its memory. Pure.
[[nodiscard]] bool holds_secrets(const DaemonConfig& config);

}  // namespace holdfast
