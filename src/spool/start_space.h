#pragma once

#include <optional>
#include <string>

#include "spool/spool.h"

namespace holdfast {

/// Returns what a spool in that directory lacks to start: space or inodes, with the remedy; nullopt if it has both, or
/// if the file system does not say.
[[nodiscard]] std::optional<std::string> lack_of_space(const std::string& directory);

/// Removes the files of events that retention does not want, before the spool is opened: opening needs space. Keeps
/// what a required group has not had, the newest file, and all where spool.db cannot be read. Returns the number of
/// files removed.
std::size_t retain_before_start(const SpoolOptions& options);

}  // namespace holdfast
