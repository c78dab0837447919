#pragma once

#include <vector>

#include "server/validate.h"

namespace holdfast {

/// Reads every listener's tokens_file as the start and a reload do.
void check_tokens_files(const ServerConfig& config, std::vector<Violation>& out);

}  // namespace holdfast
