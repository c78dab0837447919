#pragma once

#include <optional>
#include <string>

#include "spool/spool.h"

namespace holdfast {

/// Returns the lack of space or inodes that prevents a spool from starting in that directory, with the remedy. Returns
/// nullopt if both suffice or if the file system does not report them.
[[nodiscard]] std::optional<std::string> lack_of_space(const std::string& directory);

/// Removes the files of events beyond retention before the spool is opened, since opening needs space. Keeps what a
/// required group has not received, the newest file, and everything if spool.db cannot be read. Returns the number of
/// removed files.
std::size_t retain_before_start(const SpoolOptions& options);

}  // namespace holdfast
