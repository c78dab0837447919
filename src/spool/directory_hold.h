#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <holdfast/result.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Returns the directory that holds the name of `path`, which may end in a slash.
[[nodiscard]] std::string parent_of(const std::string& path);

/// The hold of one process on a spool's directory: locks on the directory itself and on the file `lock` in it, which
/// earlier versions lock. A `lock` that is removed lets no other process in. Any thread.
class DirectoryHold {
public:
    /// Errors: another process has it, no permission.
    [[nodiscard]] static Result<std::unique_ptr<DirectoryHold>> take(const std::string& path, UniqueFd directory);

    [[nodiscard]] bool sync() const;
    /// Returns true while the path leads to the directory that is held, and its file `lock` is there.
    [[nodiscard]] bool is_in_place() const;
    /// Makes and locks what was removed or replaced since: the directory, its file `lock`. Returns what that was, empty
    /// if nothing. Errors: another process has the new directory, it cannot be made.
    [[nodiscard]] Result<std::string> reclaim();

private:
    DirectoryHold(std::string path, UniqueFd directory, UniqueFd lock)
        : path_(std::move(path)), directory_(std::move(directory)), lock_(std::move(lock)) {}

    const std::string path_;
    mutable std::mutex mutex_;
    UniqueFd directory_;  // guarded by mutex_
    UniqueFd lock_;       // guarded by mutex_
};

}  // namespace holdfast
