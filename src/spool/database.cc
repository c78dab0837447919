#include "spool/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "spool/directory.h"
#include "spool/read_watch.h"

namespace holdfast {
namespace {

constexpr int longest_text = 512 << 20;  // a damaged length must not cause an allocation of that size

DbFault fault_of(int extended) {
    switch (extended) {
        case SQLITE_IOERR_SHORT_READ:
            return DbFault::damaged;
        default:
            break;
    }
    switch (extended & 0xff) {
        case SQLITE_FULL:
            return DbFault::full;
        case SQLITE_IOERR:
            return DbFault::io;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT:
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
        case SQLITE_ERROR:  // our statements are fixed: the schema has changed
            return DbFault::damaged;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return DbFault::busy;
        case SQLITE_CANTOPEN:
        case SQLITE_PERM:
        case SQLITE_READONLY:
            return DbFault::gone;
        default:
            return DbFault::other;
    }
}

DbError error_of(sqlite3* handle) {
    const int code = sqlite3_extended_errcode(handle);
    DbError error{fault_of(code), code, sqlite3_errmsg(handle), 0};
    if (error.fault == DbFault::damaged || error.fault == DbFault::io) {
        if (auto failed = read_error()) return *failed;
    }
    const int system = sqlite3_system_errno(handle);
    const bool about_files = error.fault == DbFault::io || error.fault == DbFault::gone || error.fault == DbFault::full;
    if (about_files && system != 0) {
        error.message += std::string(" (") + std::strerror(system) + ")";
        error.system = system;
    }
    return error;
}

}  // namespace

std::optional<DbError> read_error() {
    const auto& failed = read_failure();
    if (!failed) return std::nullopt;
    return DbError{DbFault::io, SQLITE_IOERR_READ,
                   "cannot read " + failed->path + " (" + std::strerror(failed->error) + ")", failed->error};
}

bool may_pass(const DbError& error) { return error.fault != DbFault::damaged && error.fault != DbFault::full; }

bool passes_by_itself(const DbError& error) {
    const int kind = error.code & 0xff;
    const bool is_denied = error.system == EACCES || error.system == EPERM || error.system == EROFS;
    return may_pass(error) && !is_denied && kind != SQLITE_PERM && kind != SQLITE_READONLY;
}

void Statement::Finalize::operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }

Statement& Statement::bind(int index, std::uint64_t number) { return bind(index, static_cast<std::int64_t>(number)); }

/// Resets the statement, which the caller does not reset after a failed step.
void Statement::make_ready() {
    if (stepped_) reset();
}

Statement& Statement::bind(int index, std::int64_t number) {
    make_ready();
    if (sqlite3_bind_int64(handle_.get(), index, number) != SQLITE_OK) bind_failed_ = true;
    return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
    const char* data = text.data() != nullptr ? text.data() : "";  // a null pointer would bind NULL
    make_ready();
    if (sqlite3_bind_text64(handle_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK)
        bind_failed_ = true;
    return *this;
}

Statement::Step Statement::step() {
    if (bind_failed_) return Step::failed;
    stepped_ = true;
    forget_read_failure();
    switch (sqlite3_step(handle_.get())) {
        case SQLITE_ROW:
            return Step::row;
        case SQLITE_DONE:
            return Step::done;
        default:
            return Step::failed;
    }
}

void Statement::reset() {
    sqlite3_reset(handle_.get());
    stepped_ = bind_failed_ = false;
}

bool Statement::run() {
    Step last = Step::row;
    while (last == Step::row) last = step();
    // Not reset after a failure: error() keeps its value, but the caller may need it first.
    if (last == Step::done) reset();
    return last == Step::done;
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(handle_.get(), column); }

std::string_view Statement::text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

bool Statement::lost_text() const { return sqlite3_errcode(sqlite3_db_handle(handle_.get())) == SQLITE_NOMEM; }

bool Statement::is_number(int column) const { return sqlite3_column_type(handle_.get(), column) == SQLITE_INTEGER; }
bool Statement::is_text(int column) const { return sqlite3_column_type(handle_.get(), column) == SQLITE_TEXT; }

void Database::Close::operator()(sqlite3* handle) const noexcept { sqlite3_close_v2(handle); }

std::optional<Database> Database::open_immutable(const std::string& path, DbError& error) {
    std::string uri = "file:";
    for (const char byte : path) {
        if (byte == '%' || byte == '?' || byte == '#') {
            uri += byte == '%' ? "%25" : byte == '?' ? "%3f" : "%23";
        } else {
            uri += byte;
        }
    }
    uri += "?immutable=1";
    sqlite3* handle = nullptr;
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const int code = sqlite3_open_v2(uri.c_str(), &handle, flags, watched_vfs());
    Database database;
    database.handle_.reset(handle);
    if (code == SQLITE_OK) return database;
    error = handle != nullptr ? error_of(handle) : DbError{DbFault::other, code, "out of memory"};
    return std::nullopt;
}

std::optional<Database> Database::open(const std::string& path, Use use, DbError& error) {
    sqlite3* handle = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    forget_read_failure();
    const int code = sqlite3_open_v2(path.c_str(), &handle, flags, watched_vfs());
    Database database;
    database.handle_.reset(handle);
    if (code != SQLITE_OK) {
        error = handle != nullptr ? error_of(handle) : DbError{DbFault::other, code, "out of memory"};
        return std::nullopt;
    }
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, longest_text);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    if (use == Use::read) {
        database.keep_log_on_close();
        if (auto failed = database.execute("PRAGMA query_only = ON; PRAGMA cell_size_check = ON")) {
            error = *failed;
            return std::nullopt;
        }
    }
    return database;
}

std::optional<DbError> Database::execute(const char* sql) {
    forget_read_failure();
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return std::nullopt;
    return error();
}

Statement Database::prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    forget_read_failure();
    sqlite3_prepare_v3(handle_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    Statement prepared;
    prepared.handle_.reset(statement);
    return prepared;
}

std::optional<std::string> Database::value_of(const char* sql) {
    Statement statement = prepare(sql);
    if (!statement.valid() || statement.step() != Statement::Step::row) return std::nullopt;
    std::string value(statement.text(0));
    // A pragma that writes commits after its row.
    if (!statement.run()) return std::nullopt;
    return value;
}

std::optional<DbError> Database::read_text(const char* sql, std::optional<std::string>& out) {
    out.reset();
    Statement statement = prepare(sql);
    if (!statement.valid()) return error();
    const Statement::Step step = statement.step();
    if (step == Statement::Step::failed) return error();
    if (step == Statement::Step::row) out = std::string(statement.text(0));
    return read_error();  // quick_check reports an unreadable page as text
}

std::optional<DbError> Database::read_number(const char* sql, std::optional<std::int64_t>& out) {
    out.reset();
    Statement statement = prepare(sql);
    if (!statement.valid()) return error();
    const Statement::Step step = statement.step();
    if (step == Statement::Step::failed) return error();
    if (step == Statement::Step::row) out = statement.number(0);
    return std::nullopt;
}

DbError Database::error() const { return error_of(handle_.get()); }

void Database::keep_log_on_close() { sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr); }

void Database::set_busy_timeout_ms(int milliseconds) { sqlite3_busy_timeout(handle_.get(), milliseconds); }

std::optional<DbError> Database::checkpoint(bool truncate) {
    const int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    if (sqlite3_wal_checkpoint_v2(handle_.get(), nullptr, mode, nullptr, nullptr) == SQLITE_OK) return std::nullopt;
    return error();
}

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
    if (!SpoolDirectory::make_file(path)) return system_fault("cannot create " + path);
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
