#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "spool/database.h"
#include "spool/directory.h"

namespace holdfast {

// A group's memo is a row of the table `about` in spool.db. Versions that do not support memos ignore that row.
[[nodiscard]] std::string memo_key(std::string_view group);
/// Returns the memo prefixed by its checksum.
[[nodiscard]] std::string memo_value(std::string_view group, std::string_view memo);
/// Reads the memos of all groups. Skips damaged ones.
[[nodiscard]] std::optional<DbError> read_memos(Database& database, std::map<std::string, std::string>& memos);

struct StoredGroup {
    Position position = 0;
    WallTime moved_at;
    std::string memo = {};  ///< spool/manifest_file.h
};
using StoredGroups = std::map<std::string, StoredGroup>;

/// Initial content of a new spool.db, or the readable content of a damaged one.
struct ManifestSeed {
    std::string id;
    StoredGroups groups;
    Position complete = 0;  ///< highest position in use; not written to a new file
};

/// Returns 16 hexadecimal digits.
[[nodiscard]] std::string draw_spool_id();
/// Reads the spool's id from the newest file of events that has one. Leaves it empty if no file has one.
[[nodiscard]] std::optional<DbError> read_id_of_segments(const SpoolDirectory& directory,
                                                         const std::vector<Position>& segments, std::string& id);

/// Creates spool.db, complete and synced, under a temporary name and renames it. An interrupted start leaves no
/// spool.db, the former one, or a complete one. `aside`, if there is a former one: out, the name under which it is
/// kept.
[[nodiscard]] std::optional<DbError> make_manifest(const SpoolDirectory& directory, const ManifestSeed& seed,
                                                   std::string* aside = nullptr);

enum class ControlState : std::uint8_t {
    whole,
    unmade,      ///< left by an interrupted first start of an earlier version: no table, or no id
    foreign,     ///< file of another program
    newer,       ///< from a newer version of holdfast
    damaged,     ///< content that differs from what was written
    unreadable,  ///< failed read: the content is unknown
};
struct ManifestCheck {
    ControlState state = ControlState::whole;
    DbError error;
    std::int64_t schema = 0;
};
/// Reads and checks the whole file over a separate connection.
[[nodiscard]] ManifestCheck check_manifest(const std::string& path);

[[nodiscard]] std::optional<DbError> read_groups(Database& database, StoredGroups& groups);
[[nodiscard]] std::uint32_t check_of_group(std::string_view name, Position position);
/// Reads the sound rows of a damaged file. Fails if reading fails for a reason that may pass.
[[nodiscard]] std::optional<DbError> salvage_manifest(const std::string& path, ManifestSeed& seed);

}  // namespace holdfast
