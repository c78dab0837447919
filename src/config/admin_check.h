#pragma once

#include <vector>

#include "config/daemon_config.h"
#include "server/validate.h"

namespace holdfast {

/// What is wrong with the ways in to the admin API. The files that it names are read, nothing is bound.
void check_admin(const DaemonConfig& config, std::vector<Violation>& out);

/// What is allowed there but probably not wanted.
void warn_of_admin(const AdminConfig& admin, std::vector<Violation>& out);

}  // namespace holdfast
