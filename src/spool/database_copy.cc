#include "spool/database_copy.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "spool/directory.h"

namespace holdfast {

namespace {

DbError system_fault(const std::string& what) {
    const bool full = errno == ENOSPC || errno == EDQUOT;
    return {full ? DbFault::full : DbFault::io, SQLITE_IOERR, what + ": " + std::strerror(errno)};
}

std::optional<DbError> copy_pages(Database& from, Database& to) {
    sqlite3_backup* backup = sqlite3_backup_init(to.handle(), "main", from.handle(), "main");
    if (backup == nullptr) return to.error();
    sqlite3_backup_step(backup, -1);
    if (sqlite3_backup_finish(backup) != SQLITE_OK) return to.error();
    // The header of the copy declares a log, as that of the source does.
    const auto mode = to.value_of("PRAGMA journal_mode = DELETE");
    return mode ? std::nullopt : std::optional(to.error());
}

std::optional<DbError> make_copy(Database& from, const std::string& path) {
    if (!SpoolDirectory::make_file(path)) return system_fault("cannot make " + path);
    {
        DbError error;
        auto to = Database::open(path, Database::Use::write, error);
        if (!to) return error;
        if (auto failed = copy_pages(from, *to)) return failed;
    }
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!file.valid() || ::fsync(file.get()) != 0) return system_fault("cannot sync " + path);
    return std::nullopt;
}

}  // namespace

std::optional<DbError> copy_database(Database& from, const std::string& path) {
    auto failed = make_copy(from, path);
    if (failed) SpoolDirectory::remove(path);
    return failed;
}

}  // namespace holdfast
