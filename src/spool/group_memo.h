#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "spool/database.h"

namespace holdfast {

// A group's memo is a row of the table `about` in spool.db. Versions that do not support memos ignore that row.
[[nodiscard]] std::string memo_key(std::string_view group);
/// Returns the memo prefixed by its checksum.
[[nodiscard]] std::string memo_value(std::string_view group, std::string_view memo);
/// Reads the memos of all groups. Skips damaged ones.
[[nodiscard]] std::optional<DbError> read_memos(Database& database, std::map<std::string, std::string>& memos);

}  // namespace holdfast
