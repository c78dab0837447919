#pragma once

#include <optional>
#include <string>

#include "spool/database.h"

namespace holdfast {

/// Copies what an open database holds at one moment, page by page, into a new plain file without a log, and syncs it.
/// The source may be written to meanwhile, and its file may have been removed. Damaged pages are copied as they are.
/// `path` must not exist; it is removed on failure.
[[nodiscard]] std::optional<DbError> copy_database(Database& from, const std::string& path);

}  // namespace holdfast
