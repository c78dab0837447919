#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <holdfast/result.h>

#include "spool/directory_hold.h"
#include "spool/position.h"

namespace holdfast {

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
    [[nodiscard]] std::vector<Position> segments() const;  ///< ascending
    [[nodiscard]] bool has_control() const;

    /// An empty file with mode 0600, its name durable. False: errno says why.
    [[nodiscard]] static bool make_file(const std::string& path);
    [[nodiscard]] bool sync() const;
    [[nodiscard]] DirectoryHold& hold() const { return *hold_; }
    /// With its log and its index.
    static void remove(const std::string& database);
    [[nodiscard]] static bool is_missing(const std::string& path);
    [[nodiscard]] static bool has_log(const std::string& database);
    [[nodiscard]] static std::uint64_t bytes_of(const std::string& database);        ///< with its log and shared memory
    [[nodiscard]] static std::uint64_t plain_bytes_of(const std::string& database);  ///< without them
    /// Renames it out of the way, with its log; the new name.
    [[nodiscard]] static std::string set_aside(const std::string& database);

private:
    SpoolDirectory(std::string path, std::unique_ptr<DirectoryHold> hold)
        : path_(std::move(path)), hold_(std::move(hold)) {}

    std::string path_;
    std::unique_ptr<DirectoryHold> hold_;
};

}  // namespace holdfast
