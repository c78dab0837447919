#include "spool/manifest_file.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>

#include "base/system.h"
#include "spool/row.h"
#include "spool/segment_file.h"
#include "spool/session_table.h"
#include "text/hex.h"

namespace holdfast {
namespace {

constexpr std::string_view key_prefix = "memo ";
constexpr std::size_t check_digits = 8;

}  // namespace

std::string memo_key(std::string_view group) { return std::string(key_prefix) + std::string(group); }

std::string memo_value(std::string_view group, std::string_view memo) {
    std::array<char, check_digits + 1> check{};
    std::snprintf(check.data(), check.size(), "%08x", checksum({group, memo}, {}));
    return check.data() + std::string(memo);
}

std::optional<DbError> read_memos(Database& database, std::map<std::string, std::string>& memos) {
    Statement rows = database.prepare("SELECT key, value FROM about WHERE key LIKE 'memo %'");
    if (!rows.valid()) return database.error();
    Statement::Step step{};
    while ((step = rows.step()) == Statement::Step::row) {
        const std::string_view group = rows.text(0).substr(key_prefix.size());
        const std::string_view value = rows.text(1);
        if (value.size() <= check_digits) continue;
        const std::string_view memo = value.substr(check_digits);
        if (value == memo_value(group, memo)) memos.emplace(group, memo);
    }
    return step == Statement::Step::failed ? std::optional(database.error()) : std::nullopt;
}

namespace {

constexpr const char* manifest_schema =
    "BEGIN;"
    "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE consumer_group (name TEXT PRIMARY KEY, position INTEGER NOT NULL, moved_at INTEGER NOT NULL,"
    " crc INTEGER NOT NULL) WITHOUT ROWID;"
    // Only versions without device_session (spool/session_table.h) write to this table, and they need it to start.
    "CREATE TABLE session (id TEXT, session TEXT, seq INTEGER NOT NULL, at INTEGER NOT NULL, crc INTEGER NOT NULL,"
    " PRIMARY KEY (id, session)) WITHOUT ROWID;"
    "CREATE TABLE quarantine (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, why TEXT NOT NULL,"
    " at INTEGER NOT NULL);"
    "PRAGMA application_id = 0x48465350;"
    "PRAGMA user_version = 1;"
    "COMMIT";

constexpr const char* id_of_manifest = "SELECT value FROM about WHERE key = 'id'";
constexpr const char* id_of_segment = "SELECT value FROM about WHERE key = 'spool'";
constexpr const char* complete_of_manifest = "SELECT CAST(value AS INTEGER) FROM about WHERE key = 'complete'";
constexpr std::size_t id_digits = 16;

bool is_id(const std::optional<std::string>& text) {
    return text && text->size() == id_digits && text->find_first_not_of(hex_digits) == std::string::npos;
}

std::optional<DbError> fill(Database& database, const ManifestSeed& seed) {
    if (auto failed = database.execute("PRAGMA synchronous = FULL")) return failed;
    if (auto failed = database.execute(manifest_schema)) return failed;
    if (auto failed = SessionTable::make(database)) return failed;
    Statement about = database.prepare("INSERT INTO about VALUES (?1, ?2)");
    Statement put = database.prepare("INSERT INTO consumer_group VALUES (?1, ?2, ?3, ?4)");
    if (!about.valid() || !put.valid()) return database.error();
    if (!about.bind(1, std::string_view("id")).bind(2, std::string_view(seed.id)).run()) return database.error();
    for (const auto& [name, group] : seed.groups) {
        put.bind(1, std::string_view(name)).bind(2, group.position);
        put.bind(3, std::int64_t{group.moved_at.time_since_epoch().count()});
        if (!put.bind(4, std::uint64_t{check_of_group(name, group.position)}).run()) return database.error();
        if (group.memo.empty()) continue;
        const std::string key = memo_key(name);
        const std::string value = memo_value(name, group.memo);
        if (!about.bind(1, std::string_view(key)).bind(2, std::string_view(value)).run()) return database.error();
    }
    return std::nullopt;
}

/// Returns true for the first bytes of an SQLite file, and for what a file system leaves of an unsynced one.
bool may_have_been_sqlite(const std::string& path) {
    constexpr std::string_view magic{"SQLite format 3\0", 16};
    std::array<char, 16> head{};
    std::ifstream file(path, std::ios::binary);
    file.read(head.data(), head.size());
    const std::string_view read(head.data(), static_cast<std::size_t>(file.gcount()));
    return read == magic.substr(0, read.size()) || read.find_first_not_of('\0') == std::string_view::npos;
}

ManifestCheck failed_check(const DbError& error, const std::string& path) {
    if (error.fault != DbFault::damaged) return {ControlState::unreadable, error};
    return {may_have_been_sqlite(path) ? ControlState::damaged : ControlState::foreign, error};
}

/// Reads the fields that identify the owner of the file.
ManifestCheck check_head(Database& database, const std::string& path) {
    std::optional<std::int64_t> application;
    std::optional<std::int64_t> schema;
    std::optional<std::int64_t> tables;
    if (auto failed = database.read_number("PRAGMA application_id", application)) return failed_check(*failed, path);
    if (auto failed = database.read_number("PRAGMA user_version", schema)) return failed_check(*failed, path);
    if (auto failed = database.read_number("SELECT count(*) FROM sqlite_master", tables))
        return failed_check(*failed, path);
    ManifestCheck check;
    check.schema = schema.value_or(0);
    if (application == spool_application) {
        if (check.schema > spool_schema) check.state = ControlState::newer;
        return check;
    }
    check.state = application == 0 && tables == 0 ? ControlState::unmade : ControlState::foreign;
    check.error = {DbFault::damaged, SQLITE_CORRUPT, "the file has no table"};
    return check;
}

}  // namespace

std::string draw_spool_id() { return to_hex(random_bits()); }

std::uint32_t check_of_group(std::string_view name, Position position) { return checksum({name}, {position}); }

std::optional<DbError> read_id_of_segments(const SpoolDirectory& directory, const std::vector<Position>& segments,
                                           std::string& id) {
    std::optional<DbError> unreadable;
    for (auto first = segments.rbegin(); first != segments.rend(); ++first) {
        DbError error;
        std::optional<std::string> text;
        auto database = Database::open(directory.segment_path(*first), Database::Use::read, error);
        const auto failed = database ? database->read_text(id_of_segment, text) : std::optional(error);
        if (!failed && is_id(text)) {
            id = *text;
            return std::nullopt;
        }
        if (failed && may_pass(*failed)) unreadable = failed;
    }
    return unreadable;
}

std::optional<DbError> make_manifest(const SpoolDirectory& directory, const ManifestSeed& seed, std::string* aside) {
    const std::string making = directory.making_manifest_path();
    SpoolDirectory::remove(making);
    std::optional<DbError> failed;
    if (!SpoolDirectory::make_file(making)) failed = system_error("cannot create " + making);
    if (!failed) {
        DbError error;
        auto database = Database::open(making, Database::Use::write, error);
        failed = database ? fill(*database, seed) : std::optional(error);
    }
    if (!failed && aside != nullptr) failed = directory.keep_aside(directory.manifest_path(), *aside);
    if (!failed) failed = directory.replace(making, directory.manifest_path());
    if (failed) SpoolDirectory::remove(making);
    return failed;
}

ManifestCheck check_manifest(const std::string& path) {
    DbError error;
    auto database = Database::open(path, Database::Use::read, error);
    if (!database) return failed_check(error, path);
    database->set_busy_timeout_ms(2000);
    ManifestCheck check = check_head(*database, path);
    if (check.state != ControlState::whole) return check;
    std::optional<std::string> verdict;
    if (auto failed = database->read_text("PRAGMA quick_check(1)", verdict)) return failed_check(*failed, path);
    if (verdict != "ok") return {ControlState::damaged, {DbFault::damaged, SQLITE_CORRUPT, verdict.value_or("")}};
    std::optional<std::string> id;
    if (auto failed = database->read_text(id_of_manifest, id)) return failed_check(*failed, path);
    if (!is_id(id)) return {ControlState::unmade, {DbFault::damaged, SQLITE_CORRUPT, "the file has no id"}};
    return check;
}

std::optional<DbError> read_groups(Database& database, StoredGroups& groups) {
    Statement rows = database.prepare("SELECT name, position, moved_at, crc FROM consumer_group");
    if (!rows.valid()) return database.error();
    Statement::Step step{};
    while ((step = rows.step()) == Statement::Step::row) {
        const auto position = static_cast<Position>(rows.number(1));
        const bool right = static_cast<std::uint64_t>(rows.number(3)) == check_of_group(rows.text(0), position);
        groups[std::string(rows.text(0))] = {
            right ? position : 0, WallTime{std::chrono::milliseconds(rows.number(2))}, {}};
    }
    if (step == Statement::Step::failed) return database.error();
    std::map<std::string, std::string> memos;
    if (auto failed = read_memos(database, memos)) return failed;
    for (auto& [name, memo] : memos) {
        if (const auto group = groups.find(name); group != groups.end()) group->second.memo = std::move(memo);
    }
    return std::nullopt;
}

std::optional<DbError> salvage_manifest(const std::string& path, ManifestSeed& seed) {
    seed = {};
    DbError error;
    auto database = Database::open(path, Database::Use::read, error);
    if (!database) return may_pass(error) ? std::optional(error) : std::nullopt;
    std::optional<std::string> id;
    std::optional<std::int64_t> complete;
    const std::optional<DbError> failures[] = {database->read_text(id_of_manifest, id),
                                               database->read_number(complete_of_manifest, complete),
                                               read_groups(*database, seed.groups)};
    for (const auto& failed : failures) {
        if (failed && may_pass(*failed)) return failed;
    }
    if (is_id(id)) seed.id = *id;
    seed.complete = static_cast<Position>(std::max<std::int64_t>(complete.value_or(0), 0));
    return std::nullopt;
}

}  // namespace holdfast
