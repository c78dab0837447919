#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/result.h>

#include "spool/database.h"
#include "spool/directory_hold.h"
#include "spool/spool.h"

namespace holdfast {

/// Returns an error with the present errno. `what` names the failed operation.
[[nodiscard]] DbError system_error(const std::string& what);

/// Owns the lock on a spool's directory during its lifetime, so that no other process opens the spool. Builds the names
/// of the files in it and sets their mode. Any thread.
class SpoolDirectory {
public:
    /// Locks the directory and creates it if it is missing. Fails if another process holds it, without permission, or
    /// if it contains foreign files.
    [[nodiscard]] static Result<SpoolDirectory> take(const std::string& path);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string manifest_path() const { return path_ + "/spool.db"; }
    /// Returns the path of the file whose first event has that position.
    [[nodiscard]] std::string segment_path(Position first) const;
    // Names of unfinished files: a file receives its final name when it is complete and synced.
    [[nodiscard]] std::string making_segment_path() const { return path_ + "/making.db"; }
    [[nodiscard]] std::string making_manifest_path() const { return path_ + "/making-spool.db"; }
    /// Files of a spool that exist in the directory.
    struct Contents {
        bool manifest = false;           ///< whether spool.db exists
        std::vector<Position> segments;  ///< first positions of the files of events, ascending
    };
    /// Lists the files. Fails rather than omit a file.
    [[nodiscard]] std::optional<DbError> list(Contents& contents) const { return list_in(path_, contents); }
    // For a directory that this process does not hold.
    [[nodiscard]] static std::optional<DbError> list_in(const std::string& directory, Contents& contents);
    [[nodiscard]] static std::string segment_path_in(const std::string& directory, Position first);
    /// Name of the file that marks an unfinished backup or restore. take() rejects such a directory.
    static constexpr const char* incomplete = "incomplete";
    /// Removes unfinished files of an interrupted start, and logs whose database no longer exists.
    void remove_leftovers() const;

    /// Creates an empty file with mode 0600. Returns false on failure and sets errno.
    [[nodiscard]] static bool make_file(const std::string& path);
    [[nodiscard]] bool sync() const;
    [[nodiscard]] DirectoryHold& hold() const { return *hold_; }
    /// Renames a complete, synced and closed database to its final name. The name is durable when the function returns
    /// nullopt.
    [[nodiscard]] std::optional<DbError> put_in_place(const std::string& making, const std::string& path) const;
    /// Renames a complete, synced and closed database to the name of another one, which may exist, lack a log, or be
    /// gone. A later start finishes an interrupted replacement, so a crash always leaves one of the two. After a
    /// failure, neither file may be written to before the next attempt.
    [[nodiscard]] std::optional<DbError> replace(const std::string& making, const std::string& path) const;
    /// Finishes the replacements that an earlier process began. Must run at the start, before any file is read.
    [[nodiscard]] std::optional<DbError> finish_replacements() const;
    /// Writes the content of a database's log over itself and syncs the log. A missing log is no error. After a failed
    /// sync, Linux treats pages as written that the disk lacks, and the next sync succeeds without them. A checkpoint
    /// would then overwrite the only durable copy of pages of the database.
    [[nodiscard]] static std::optional<DbError> write_log_again(const std::string& database);
    /// Writes every readable log again. Must run at the start, before any file is read: a sync may have failed in an
    /// earlier process.
    [[nodiscard]] std::optional<DbError> write_logs_again() const;
    /// Removes a database with its log and its index.
    static void remove(const std::string& database);
    [[nodiscard]] static bool is_missing(const std::string& path);
    [[nodiscard]] static bool has_log(const std::string& database);
    [[nodiscard]] static std::uint64_t bytes_of(const std::string& database);        ///< with its log and shared memory
    [[nodiscard]] static std::uint64_t plain_bytes_of(const std::string& database);  ///< without them
    /// Links the database and its log under a second name, which remains when another file replaces the first. Sets
    /// `aside` to that name.
    [[nodiscard]] std::optional<DbError> keep_aside(const std::string& database, std::string& aside) const;

private:
    SpoolDirectory(std::string path, std::unique_ptr<DirectoryHold> hold)
        : path_(std::move(path)), hold_(std::move(hold)) {}

    [[nodiscard]] std::optional<DbError> finish_replacement(const std::string& path) const;

    std::string path_;
    std::unique_ptr<DirectoryHold> hold_;
};

}  // namespace holdfast
