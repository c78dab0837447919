#pragma once

#include <sys/types.h>

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace holdfast {

/// The databases that a spool has open, each with its log and its index, and whether their names still lead to them: a
/// write to a file that was removed succeeds and is gone with the process. Needs no descriptor: while SQLite has a file
/// open, its inode number belongs to no other. Any thread.
class OpenFiles {
public:
    /// From here on the names must lead to the files that they lead to now.
    void watch(const std::string& database);
    void forget(const std::string& database);
    /// Its replacement has begun: it is not intact until watch() is called again.
    void condemn(const std::string& database);
    /// Returns false if one of its files was removed, renamed or replaced since watch().
    [[nodiscard]] bool is_intact(const std::string& database);
    /// Returns those that are not intact.
    [[nodiscard]] std::vector<std::string> missing();

private:
    struct Identity {
        dev_t device = 0;
        ino_t inode = 0;
        bool operator==(const Identity&) const = default;
    };
    struct Watched {
        std::array<std::optional<Identity>, 3> files;  // empty: not seen yet
        bool condemned = false;
    };
    [[nodiscard]] static bool is_intact(const std::string& database, Watched& watched);

    std::mutex mutex_;
    std::map<std::string, Watched> databases_;  // guarded by mutex_
};

}  // namespace holdfast
