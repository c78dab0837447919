#pragma once

#include <optional>
#include <string>

#include "spool/database.h"
#include "spool/directory.h"
#include "spool/row.h"

namespace holdfast {

/// "HFSP", the application_id of every file of a spool, which `file` and sqlite3 show.
inline constexpr std::int64_t spool_application = 0x48465350;
inline constexpr std::int64_t spool_schema = 1;  ///< user_version; docs/explanation/delivery.md has the tables

/// Applies the settings of a database for writing, and creates its log.
[[nodiscard]] std::optional<DbError> set_up_for_writing(Database& database);
/// Makes the name of the log durable, after set_up_for_writing() has created the log. SQLite syncs the directory too,
/// but ignores a failure.
[[nodiscard]] std::optional<DbError> sync_log_name(const SpoolDirectory& directory);

/// Appends rows to a file of events that this process created. Owns its connection. Used by the spool's thread.
/// Destruction leaves the log for seal_segment().
class SegmentWriter {
public:
    /// Creates the file. Removes what an earlier attempt left under that name, except a file with events.
    [[nodiscard]] static std::optional<SegmentWriter> create(const SpoolDirectory& directory, Position first,
                                                             const std::string& spool_id, DbError& error);

    /// Appends one row, which is durable when the function returns nullopt.
    [[nodiscard]] std::optional<DbError> append(const StoredRow& row, std::uint32_t checksum);
    /// Moves the log into the file if the log is long enough.
    [[nodiscard]] std::optional<DbError> checkpoint_if_due();

    /// Copies the rows up to `last` into a new plain file, even if the original file was removed.
    [[nodiscard]] std::optional<DbError> copy_to(const std::string& path, Position last);

    [[nodiscard]] Position first() const { return first_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  ///< appended

private:
    explicit SegmentWriter(Database database, Position first);

    Position first_;
    std::uint64_t bytes_ = 0;
    std::unique_ptr<int> log_pages_;  // length of the log in pages, set by SQLite's hook
    Database database_;
    Statement insert_;
};

/// Returns true if a process ended while it created the file. Such a file has no row: its tables alone take more than
/// one page.
[[nodiscard]] bool is_unmade_segment(const std::string& path);

/// Converts the file into one plain file without a log. Its writer must be closed, and no other connection may have it
/// open.
[[nodiscard]] std::optional<DbError> seal_segment(const std::string& path);

}  // namespace holdfast
