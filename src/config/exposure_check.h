#pragma once

#include <vector>

#include "server/validate.h"

namespace holdfast {

/// What lets strangers do more than was probably meant: everybody trusted as a proxy, tokens that can be read on their
/// way, an address for everybody without a limit for anybody.
void warn_of_exposure(const ServerConfig& config, std::vector<Violation>& out);

}  // namespace holdfast
