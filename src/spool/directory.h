#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/result.h>

#include "spool/database.h"
#include "spool/directory_hold.h"
#include "spool/position.h"

namespace holdfast {

/// Returns what errno says of an attempt.
[[nodiscard]] DbError system_error(const std::string& what);

/// A spool's directory, held by a lock for as long as this lives: nobody else opens it meanwhile. Knows the names of
/// the files in it and gives them their mode. Any thread.
class SpoolDirectory {
public:
    /// Makes it if it is missing. Errors: another process has it, no permission, something else is in it.
    [[nodiscard]] static Result<SpoolDirectory> take(const std::string& path);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string control_path() const { return path_ + "/spool.db"; }
    /// Of the file whose first event has that position.
    [[nodiscard]] std::string segment_path(Position first) const;
    // Names of files under way: a file gets its own name when it is whole and synced.
    [[nodiscard]] std::string making_segment_path() const { return path_ + "/making.db"; }
    [[nodiscard]] std::string making_control_path() const { return path_ + "/making-spool.db"; }
    /// What is in the directory.
    struct Contents {
        bool control = false;            ///< spool.db
        std::vector<Position> segments;  ///< ascending
    };
    /// Fails rather than leave out a file.
    [[nodiscard]] std::optional<DbError> list(Contents& contents) const { return list_in(path_, contents); }
    // Of a directory that this process does not hold.
    [[nodiscard]] static std::optional<DbError> list_in(const std::string& directory, Contents& contents);
    [[nodiscard]] static std::string segment_path_in(const std::string& directory, Position first);
    /// Marks a directory that a backup or a restore has not finished; take() refuses it.
    static constexpr const char* incomplete = "incomplete";
    /// Removes files under way of an interrupted start, and logs whose database has gone.
    void remove_leftovers() const;

    /// Creates an empty file with mode 0600. Returns false on failure: errno says why.
    [[nodiscard]] static bool make_file(const std::string& path);
    [[nodiscard]] bool sync() const;
    [[nodiscard]] DirectoryHold& hold() const { return *hold_; }
    /// Gives a whole, synced and closed database its name; durable when it returns nothing.
    [[nodiscard]] std::optional<DbError> put_in_place(const std::string& making, const std::string& path) const;
    /// Gives a whole, synced and closed database the name of another one, which may be there, lack a log, or be gone.
    /// A start finishes what was interrupted: no crash leaves neither. After a failure neither file may be written to
    /// before the next try.
    [[nodiscard]] std::optional<DbError> replace(const std::string& making, const std::string& path) const;
    /// At the start, before anything is read: what an earlier process did not finish.
    [[nodiscard]] std::optional<DbError> finish_replacements() const;
    /// Writes what the log of a database holds over itself, and syncs it; a missing log is no error. Behind a failed
    /// sync Linux takes pages for written that the disk has not, and the next sync succeeds without them: a checkpoint
    /// would then overwrite pages of the database that exist nowhere else.
    [[nodiscard]] static std::optional<DbError> write_log_again(const std::string& database);
    /// Writes every log of the spool again, before the start reads any: a sync of an earlier process may have failed.
    [[nodiscard]] std::optional<DbError> write_logs_again() const;
    /// With its log and its index.
    static void remove(const std::string& database);
    [[nodiscard]] static bool is_missing(const std::string& path);
    [[nodiscard]] static bool has_log(const std::string& database);
    [[nodiscard]] static std::uint64_t bytes_of(const std::string& database);        ///< with its log and shared memory
    [[nodiscard]] static std::uint64_t plain_bytes_of(const std::string& database);  ///< without them
    /// Gives it and its log a second name, under which it stays when another takes its place; returns that name.
    [[nodiscard]] std::optional<DbError> keep_aside(const std::string& database, std::string& aside) const;

private:
    SpoolDirectory(std::string path, std::unique_ptr<DirectoryHold> hold)
        : path_(std::move(path)), hold_(std::move(hold)) {}

    [[nodiscard]] std::optional<DbError> finish_replacement(const std::string& path) const;

    std::string path_;
    std::unique_ptr<DirectoryHold> hold_;
};

}  // namespace holdfast
