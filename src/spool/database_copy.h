#pragma once

#include <optional>
#include <string>

#include "spool/database.h"

namespace holdfast {

/// Copies the content of an open database at one moment, page by page, into a new plain file without a log, and syncs
/// it. Another thread may write to the source during the copy, and the source file may already be removed. Copies
/// damaged pages unchanged. `path` must not exist; the function removes it on failure.
[[nodiscard]] std::optional<DbError> copy_database(Database& from, const std::string& path);

}  // namespace holdfast
