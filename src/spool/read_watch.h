#pragma once

#include <optional>
#include <string>

namespace holdfast {

/// A read(2) that failed under SQLite.
struct ReadFailure {
    int error = 0;  ///< errno
    std::string path;
};

/// Returns the name of an SQLite VFS that reports a failed read as SQLITE_IOERR_READ and records it. The system's VFS
/// reports EIO as SQLITE_CORRUPT, so that a passing error of the disk would look like damage. Any thread.
[[nodiscard]] const char* watched_vfs();

/// Returns the failed read of this thread since the latest forget_read_failure().
[[nodiscard]] const std::optional<ReadFailure>& read_failure();
void forget_read_failure();

}  // namespace holdfast
