#pragma once

#include <filesystem>
#include <optional>

#include "doctor/facts.h"

namespace holdfast {

/// Reads the facts of the host that this process may see: /proc and /sys below `root` (tests use their own), uname(2),
/// adjtimex(2). Limits and groups are those of `pid` if given, otherwise of this process.
[[nodiscard]] HostFacts read_host_facts(std::optional<int> pid, const std::filesystem::path& root = "/");

}  // namespace holdfast
