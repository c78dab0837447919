#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "spool/database.h"
#include "spool/directory.h"

namespace holdfast {

struct StoredGroup {
    Position position = 0;
    WallTime moved_at;
    std::string memo = {};  ///< spool/group_memo.h
};
using StoredGroups = std::map<std::string, StoredGroup>;

/// What a new spool.db begins with, or what can be read of a damaged one.
struct ControlSeed {
    std::string id;
    StoredGroups groups;
    Position complete = 0;  ///< positions up to here have been used; not written to a new file
};

/// Returns 16 hexadecimal digits.
[[nodiscard]] std::string draw_spool_id();
/// Reads the spool's id from the newest file of events that has it; leaves it empty if none has.
[[nodiscard]] std::optional<DbError> read_id_of_segments(const SpoolDirectory& directory,
                                                         const std::vector<Position>& segments, std::string& id);

/// Makes spool.db, whole and synced, under a temporary name and renames it: a start that is interrupted leaves either
/// no spool.db, the former one, or a whole one. `aside`, if there is a former one: out, the name under which that is
/// kept.
[[nodiscard]] std::optional<DbError> make_control_file(const SpoolDirectory& directory, const ControlSeed& seed,
                                                       std::string* aside = nullptr);

enum class ControlState : std::uint8_t {
    whole,
    unmade,      ///< an interrupted first start of an earlier version left it: no table, or no id
    foreign,     ///< something else's file
    newer,       ///< of a newer version of holdfast
    damaged,     ///< the bytes are not what was written
    unreadable,  ///< reading failed: nothing is known of the bytes
};
struct ControlLook {
    ControlState state = ControlState::whole;
    DbError error;
    std::int64_t schema = 0;
};
/// Reads all of it over a connection of its own.
[[nodiscard]] ControlLook look_at_control(const std::string& path);

[[nodiscard]] std::optional<DbError> read_groups(Database& database, StoredGroups& groups);
[[nodiscard]] std::uint32_t check_of_group(std::string_view name, Position position);
/// Reads what a damaged file still has. Fails if reading fails for a reason that may pass.
[[nodiscard]] std::optional<DbError> salvage_control(const std::string& path, ControlSeed& seed);

}  // namespace holdfast
