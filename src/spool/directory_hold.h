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

/// Holds a spool's directory for one process. Owns locks on the directory itself and on the file `lock` in it, which
/// earlier versions lock. Other processes stay out even if `lock` is removed. Any thread.
class DirectoryHold {
public:
    /// Locks the directory. Fails if another process holds it, or without permission.
    [[nodiscard]] static Result<std::unique_ptr<DirectoryHold>> take(const std::string& path, UniqueFd directory);

    [[nodiscard]] bool sync() const;
    /// Returns true while the path leads to the held directory and its file `lock` exists.
    [[nodiscard]] bool is_in_place() const;
    /// Recreates and locks the directory and its file `lock` if they were removed or replaced. Returns the names of
    /// what was recreated, or an empty text. Fails if another process holds the new directory or if it cannot be
    /// created.
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
