#include "spool/segment_file.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/plant.h"
#include "base/system.h"
#include "spool/database.h"
#include "spool/segment_reader.h"
#include "text/hex.h"

namespace holdfast {

namespace {

// Chosen by script/bench (docs/decisions/0013-the-spool.md).
constexpr const char* page_size = "PRAGMA page_size = 8192";
constexpr int checkpoint_pages = 1024;  // 8 MiB of log

constexpr const char* segment_schema =
    "BEGIN;"
    "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE batch ("
    " position INTEGER PRIMARY KEY,"  // of the first event
    " events INTEGER NOT NULL,"
    " at INTEGER NOT NULL,"      // of the commit, milliseconds since 1970
    " listeners TEXT NOT NULL,"  // [["devices",200],["meters",56]]
    " sessions TEXT NOT NULL,"   // [["device-17","boot-42",5,true]]
    " crc INTEGER NOT NULL,"
    " lines TEXT NOT NULL);"
    "PRAGMA application_id = 0x48465350;"
    "PRAGMA user_version = 1;"
    "COMMIT";

int note_log(void* pages, sqlite3*, const char*, int in_log) {
    *static_cast<int*>(pages) = in_log;
    return SQLITE_OK;
}

}  // namespace

std::optional<DbError> set_up_for_writing(Database& database) {
    database.set_busy_timeout_ms(2000);  // a person may hold a lock with sqlite3
    // Debian's SQLite overwrites deleted content with zeros, which the spool does not need.
    const auto mode = database.value_of("PRAGMA journal_mode = WAL");
    if (!mode) return database.error();
    if (*mode != "wal") return DbError{DbFault::other, SQLITE_CANTOPEN, "the file system has no shared memory"};
    // SQLite creates the log when it first reads a table.
    if (planted("unsynced_commit"))
        return database.execute("PRAGMA synchronous = OFF; SELECT count(*) FROM sqlite_schema");
    return database.execute(
        "PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF; SELECT count(*) FROM sqlite_schema");
}

std::optional<DbError> sync_log_name(const SpoolDirectory& directory) {
    if (!directory.sync()) return system_error("cannot sync " + directory.path());
    return std::nullopt;
}

namespace {

/// Returns a unique random epoch as text, or an empty text if the kernel has no random bytes.
std::string draw_epoch() {
    const std::uint64_t bits = random_bits();
    return bits != 0 ? to_hex(bits) : "";
}

/// Creates a complete file without a row, under a name that no reader treats as a file of events.
std::optional<DbError> make_empty(const std::string& path, const std::string& spool_id) {
    SpoolDirectory::remove(path);
    if (!SpoolDirectory::make_file(path)) return system_error("cannot create " + path);
    DbError error;
    auto database = Database::open(path, Database::Use::write, error);
    if (!database) return error;
    if (auto failed = database->execute(page_size)) return failed;
    if (auto failed = database->execute("PRAGMA synchronous = FULL")) return failed;
    if (auto failed = database->execute(segment_schema)) return failed;
    const std::string epoch = draw_epoch();
    if (epoch.empty()) return system_error("cannot draw an epoch for " + path);
    Statement about = database->prepare("INSERT INTO about VALUES ('spool', ?1), ('epoch', ?2)");
    if (!about.valid()) return database->error();
    about.bind(1, std::string_view(spool_id)).bind(2, std::string_view(epoch));
    if (!about.run()) return database->error();
    return std::nullopt;
}

}  // namespace

bool is_unmade_segment(const std::string& path) {
    constexpr off_t page = 8192;
    struct stat about {};
    return !SpoolDirectory::has_log(path) && ::stat(path.c_str(), &about) == 0 && about.st_size <= page;
}

namespace {

/// Removes what an earlier attempt left under the name. Keeps a file that has events or that cannot be read.
std::optional<DbError> make_way(const SpoolDirectory& directory, const std::string& path, Position first) {
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0 && errno != ENOENT) return system_error("cannot stat " + path);
    if (::stat(path.c_str(), &about) == 0 && !is_unmade_segment(path)) {
        DbError error;
        auto reader = SegmentReader::open(path, error);
        if (!reader) return error;
        SegmentReader::Tail tail;
        if (auto failed = reader->tail(first, tail)) return failed;
        if (tail.last != 0) return DbError{DbFault::other, SQLITE_CANTOPEN, path + " exists already, with events"};
    }
    SpoolDirectory::remove(path);
    // Makes the removal durable before the new file exists, also that of an earlier attempt. SQLite would otherwise
    // read the log of the predecessor into the new file.
    if (!directory.sync()) return system_error("cannot sync " + directory.path());
    return std::nullopt;
}

}  // namespace

/// Creates the file under another name and renames it. A file with the final name has its tables, whenever the process
/// is killed.
std::optional<SegmentWriter> SegmentWriter::create(const SpoolDirectory& directory, Position first,
                                                   const std::string& spool_id, DbError& error) {
    const std::string path = directory.segment_path(first);
    const std::string making = directory.making_segment_path();
    auto failed = make_way(directory, path, first);
    if (!failed) failed = make_empty(making, spool_id);
    if (failed) {
        SpoolDirectory::remove(making);
        error = *failed;
        return std::nullopt;
    }
    std::optional<Database> database;
    failed = directory.put_in_place(making, path);
    if (!failed) {
        database = Database::open(path, Database::Use::write, error);
        if (!database) failed = error;
    }
    if (!failed) {
        database->keep_log_on_close();
        failed = set_up_for_writing(*database);
    }
    if (!failed) failed = sync_log_name(directory);
    if (!failed) return SegmentWriter(std::move(*database), first);
    database.reset();
    SpoolDirectory::remove(making);
    SpoolDirectory::remove(path);  // no row was written to it
    error = *failed;
    return std::nullopt;
}

SegmentWriter::SegmentWriter(Database database, Position first)
    : first_(first), log_pages_(std::make_unique<int>(0)), database_(std::move(database)) {
    sqlite3_wal_hook(database_.handle(), note_log, log_pages_.get());  // replaces SQLite's own checkpoints
    insert_ = database_.prepare("INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
}

std::optional<DbError> SegmentWriter::append(const StoredRow& row, std::uint32_t checksum) {
    if (!insert_.valid()) return database_.error();
    insert_.bind(1, row.first).bind(2, row.events).bind(3, row.at_ms);
    insert_.bind(4, row.listeners).bind(5, row.sessions).bind(6, std::uint64_t{checksum}).bind(7, row.lines);
    if (!insert_.run()) {
        DbError error = database_.error();
        insert_.reset();
        return error;
    }
    bytes_ += row.lines.size() + row.sessions.size();
    return std::nullopt;
}

std::optional<DbError> SegmentWriter::checkpoint_if_due() {
    if (*log_pages_ < checkpoint_pages) return std::nullopt;
    *log_pages_ = 0;
    return database_.checkpoint(false);
}

std::optional<DbError> SegmentWriter::copy_to(const std::string& path, Position last) {
    SpoolDirectory::remove(path);
    // Pages in memory may come from a read that failed since.
    static_cast<void>(sqlite3_db_release_memory(database_.handle()));
    if (auto failed = copy_database(database_, path)) return failed;
    DbError error;
    auto copy = Database::open(path, Database::Use::write, error);
    if (!copy) return error;
    const std::string drop = "DELETE FROM batch WHERE position > " + std::to_string(last);
    return copy->execute(drop.c_str());
}

namespace {

/// Writes the log again under the write lock of SQLite, so that no other process appends to the log.
std::optional<DbError> write_log_again(Database& database, const std::string& path) {
    if (auto failed = database.execute("BEGIN IMMEDIATE")) return failed;
    auto failed = SpoolDirectory::write_log_again(path);
    auto ended = database.execute("ROLLBACK");
    return failed ? failed : ended;
}

}  // namespace

std::optional<DbError> seal_segment(const std::string& path) {
    DbError error;
    auto database = Database::open(path, Database::Use::write, error);
    if (!database) return error;
    database->keep_log_on_close();  // closing would checkpoint a log that was not written again
    if (auto failed = database->execute("PRAGMA synchronous = FULL")) return failed;
    if (auto failed = write_log_again(*database, path)) return failed;
    if (auto failed = database->checkpoint(true)) return failed;
    const auto mode = database->value_of("PRAGMA journal_mode = DELETE");
    if (!mode) return database->error();
    if (*mode != "delete") return DbError{DbFault::busy, SQLITE_BUSY, "another program has the file open"};
    return std::nullopt;
}

}  // namespace holdfast
