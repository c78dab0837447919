#pragma once

#include <vector>

#include "config/daemon_config.h"
#include "server/validate.h"

namespace holdfast {

/// What is wrong with the files of listeners with TLS: they are read as the gateway would.
void check_tls_files(const ServerConfig& config, std::vector<Violation>& out);

/// What has expired: the gateway runs with it, and devices do not come in.
void warn_of_tls_files(const ServerConfig& config, std::vector<Violation>& out);

}  // namespace holdfast
