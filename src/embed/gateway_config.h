#pragma once

#include <optional>

#include <holdfast/gateway.h>
#include <holdfast/result.h>

#include "options/daemon_config.h"

namespace holdfast {

/// Returns the daemon's configuration of the same parts. Pure.
[[nodiscard]] DaemonConfig daemon_config(const GatewayConfig& config);

/// Returns the first error of the parts around the server, with the members of GatewayConfig as names. Server::start()
/// checks `config.server`. Reads the files; creates and binds nothing.
[[nodiscard]] std::optional<Error> first_fault(const GatewayConfig& config);

}  // namespace holdfast
