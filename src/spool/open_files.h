#pragma once

#include <array>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace holdfast {

/// The databases that a spool has open, each with its log and its index, and whether their names still lead to them: a
/// write to a file that was removed succeeds and is gone with the process. Owns O_PATH descriptors, since closing an
/// ordinary one would release SQLite's locks. Any thread.
class OpenFiles {
public:
    void watch(const std::string& database);
    void forget(const std::string& database);
    /// Returns false if one of its files was removed, renamed or replaced since watch().
    [[nodiscard]] bool is_intact(const std::string& database);
    /// Returns those that are not intact.
    [[nodiscard]] std::vector<std::string> missing();

private:
    using Descriptors = std::array<UniqueFd, 3>;  // not valid: the file was not there yet
    [[nodiscard]] static bool is_intact(const std::string& database, Descriptors& files);

    std::mutex mutex_;
    std::map<std::string, Descriptors> databases_;  // guarded by mutex_
};

}  // namespace holdfast
