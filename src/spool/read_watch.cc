#include "spool/read_watch.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <mutex>

namespace holdfast {

namespace {

constexpr const char* vfs_name = "holdfast";

thread_local std::optional<ReadFailure> failure;

/// I/O methods of one kind of file, with the read method replaced. The file keeps the layout of the system's VFS.
struct WatchedMethods {
    sqlite3_io_methods own{};
    const sqlite3_io_methods* system = nullptr;
};

/// Data after the system's own part of each open file.
struct Tail {
    const char* path = nullptr;  // owned by SQLite, valid until the file is closed
};

sqlite3_vfs* system_vfs() {
    static sqlite3_vfs* const found = sqlite3_vfs_find("unix");
    return found;
}

std::size_t tail_offset() {
    const auto size = static_cast<std::size_t>(system_vfs()->szOsFile);
    return (size + alignof(Tail) - 1) / alignof(Tail) * alignof(Tail);
}

Tail& tail_of(sqlite3_file* file) {
    return *reinterpret_cast<Tail*>(reinterpret_cast<std::byte*>(file) + tail_offset());
}

int watched_read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 at) {
    const sqlite3_io_methods* system = reinterpret_cast<const WatchedMethods*>(file->pMethods)->system;
    const int code = system->xRead(file, to, bytes, at);
    if (code == SQLITE_OK || code == SQLITE_IOERR_SHORT_READ) return code;
    int error = 0;
    if (system->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error) != SQLITE_OK || error == 0) error = EIO;
    const char* path = tail_of(file).path;
    failure = ReadFailure{error, path != nullptr ? path : "a temporary file"};
    return code == SQLITE_IOERR_CORRUPTFS ? SQLITE_IOERR_READ : code;
}

/// Returns the watched methods for the system's methods, or nullptr if there are more kinds than expected.
const sqlite3_io_methods* watched(const sqlite3_io_methods* system) {
    constexpr std::size_t max_kinds = 8;
    static std::mutex mutex;
    static std::array<WatchedMethods, max_kinds> kinds;
    const std::lock_guard lock(mutex);
    for (WatchedMethods& kind : kinds) {
        if (kind.system == nullptr) {
            kind.own = *system;
            kind.own.xRead = watched_read;
            kind.system = system;
        }
        if (kind.system == system) return &kind.own;
    }
    return nullptr;
}

/// Returns true if `path` is there and no regular file. Opening a FIFO would wait for its writer.
bool is_irregular(const char* path) {
    struct stat facts {};
    return path != nullptr && ::stat(path, &facts) == 0 && !S_ISREG(facts.st_mode);
}

int watched_open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    sqlite3_vfs* system = system_vfs();
    tail_of(file) = {path};
    if (is_irregular(path)) return SQLITE_CANTOPEN;
    const int code = system->xOpen(system, path, file, flags, out_flags);
    if (code != SQLITE_OK || file->pMethods == nullptr) return code;
    if (const sqlite3_io_methods* methods = watched(file->pMethods)) file->pMethods = methods;
    return code;
}

const char* register_vfs() {
    if (system_vfs() == nullptr) return nullptr;  // selects SQLite's default
    static sqlite3_vfs vfs = *system_vfs();
    vfs.zName = vfs_name;
    vfs.pNext = nullptr;
    vfs.szOsFile = static_cast<int>(tail_offset() + sizeof(Tail));
    vfs.xOpen = watched_open;
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK ? vfs_name : nullptr;
}

}  // namespace

const char* watched_vfs() {
    static const char* const name = register_vfs();
    return name;
}

const std::optional<ReadFailure>& read_failure() { return failure; }

void forget_read_failure() { failure.reset(); }

}  // namespace holdfast
