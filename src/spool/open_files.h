#pragma once

#include <sys/types.h>

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

/// Tracks the open databases of a spool, with their logs and indexes, and whether their names still lead to them. A
/// write to a removed file succeeds, but its data disappears with the process. Uses no descriptor: an inode number is
/// not reused while SQLite has the file open. Any thread.
class OpenFiles {
public:
    /// Records the files to which the names lead now. Later checks compare with these.
    void watch(const std::string& database);
    void forget(const std::string& database);
    /// Marks a database whose replacement has begun. The database is not intact until watch() is called again.
    void condemn(const std::string& database);
    /// Returns false if one of its files was removed, renamed or replaced since watch().
    [[nodiscard]] bool is_intact(const std::string& database);
    /// Returns the databases that are not intact.
    [[nodiscard]] std::vector<std::string> missing();

private:
    struct Identity {
        dev_t device = 0;
        ino_t inode = 0;
        bool operator==(const Identity&) const = default;
    };
    struct Watched {
        std::array<std::optional<Identity>, 3> files;  // empty until first seen
        bool condemned = false;
    };
    [[nodiscard]] static bool is_intact(const std::string& database, Watched& watched);

    std::mutex mutex_;
    std::map<std::string, Watched> databases_;  // guarded by mutex_
};

}  // namespace holdfast
