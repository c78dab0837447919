#pragma once

#include <filesystem>
#include <optional>

#include "doctor/facts.h"

namespace holdfast {

/// Reads what this process may see of the host: /proc and /sys below `root` (tests plant their own), uname(2),
/// adjtimex(2). Limits and groups are those of `pid` if it is given, otherwise of this process.
[[nodiscard]] HostFacts read_host_facts(std::optional<int> pid, const std::filesystem::path& root = "/");

}  // namespace holdfast
