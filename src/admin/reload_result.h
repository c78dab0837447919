#pragma once

#include <functional>
#include <string>
#include <vector>

namespace holdfast {

/// What became of POST /v1/reload; one line each.
struct ReloadResult {
    std::vector<std::string> errors;  ///< not empty: nothing has changed
    std::vector<std::string> applied;
    std::vector<std::string> needs_restart;
    std::vector<std::string> warnings;
};

/// Called on admin threads; blocks until it is done. Concurrent calls take turns.
using Reload = std::function<ReloadResult()>;

}  // namespace holdfast
