#pragma once

#include <optional>
#include <string>

#include "spool/database.h"
#include "spool/directory.h"
#include "spool/row.h"

namespace holdfast {

/// "HFSP": what `file` and sqlite3 show as application_id of every file of a spool.
inline constexpr std::int64_t spool_application = 0x48465350;
inline constexpr std::int64_t spool_schema = 1;  ///< user_version; docs/DELIVERY.md has the tables

/// Sets a database up for writing, and makes its log.
[[nodiscard]] std::optional<DbError> set_up_for_writing(Database& database);
/// Makes the name of the log durable, which set_up_for_writing() has made. SQLite syncs the directory too, and ignores
/// a failure.
[[nodiscard]] std::optional<DbError> sync_log_name(const SpoolDirectory& directory);

/// The file that events are appended to: one that this process has made. Owns its connection; the spool's thread. Ends
/// by being destroyed, which leaves its log for seal().
class SegmentWriter {
public:
    /// Removes what an earlier try left under that name, but no file that has events.
    [[nodiscard]] static std::optional<SegmentWriter> create(const SpoolDirectory& directory, Position first,
                                                             const std::string& spool_id, DbError& error);

    /// One row, durable when it returns nothing.
    [[nodiscard]] std::optional<DbError> append(const StoredRow& row, std::uint32_t checksum);
    /// Moves what is in the log into the file, if that has become worth while.
    [[nodiscard]] std::optional<DbError> checkpoint_if_due();

    /// Copies the rows up to `last` into a new plain file, also where the own file was removed.
    [[nodiscard]] std::optional<DbError> copy_to(const std::string& path, Position last);

    [[nodiscard]] Position first() const { return first_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  ///< appended

private:
    explicit SegmentWriter(Database database, Position first);

    Position first_;
    std::uint64_t bytes_ = 0;
    std::unique_ptr<int> log_pages_;  // where SQLite's hook says how long the log is
    Database database_;
    Statement insert_;
};

/// Returns true if the process ended while it made the file: no row can be in it, since with its tables alone it has
/// more than one page.
[[nodiscard]] bool is_unmade_segment(const std::string& path);

/// Makes one plain file of it, without a log, which nobody writes to any more. Nobody else may have it open.
[[nodiscard]] std::optional<DbError> seal_segment(const std::string& path);

}  // namespace holdfast
