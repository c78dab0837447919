#include "spool/manifest.h"

#include <sqlite3.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <thread>

#include "spool/manifest_file.h"
#include "spool/row.h"
#include "spool/segment_file.h"

namespace holdfast {

namespace {

// A spool of an earlier version does not have this table.
constexpr const char* open_schema =
    "CREATE TABLE IF NOT EXISTS open_connection (conn TEXT PRIMARY KEY, connected TEXT NOT NULL,"
    " identified TEXT NOT NULL, crc INTEGER NOT NULL, identified_crc INTEGER NOT NULL) WITHOUT ROWID";

std::int64_t milliseconds_of(WallTime time) { return time.time_since_epoch().count(); }
WallTime time_of(std::int64_t ms) { return WallTime{std::chrono::milliseconds(ms)}; }

}  // namespace

std::vector<Statement*> Manifest::statements() {
    return {&put_group_, &drop_group_, &put_about_, &put_damage_,  &drop_damages_,
            &put_open_,  &name_open_,  &drop_open_, &open_behind_, &has_open_};
}

std::optional<DbError> Manifest::prepare(const std::string& path) {
    if (auto failed = database_.execute(open_schema)) return failed;
    put_group_ = database_.prepare(
        "INSERT INTO consumer_group VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET"
        " position = excluded.position, moved_at = excluded.moved_at, crc = excluded.crc");
    drop_group_ = database_.prepare("DELETE FROM consumer_group WHERE name = ?1");
    put_about_ = database_.prepare("INSERT OR REPLACE INTO about VALUES (?1, ?2)");
    put_damage_ = database_.prepare("INSERT OR REPLACE INTO quarantine VALUES (?1, ?2, ?3, ?4)");
    drop_damages_ = database_.prepare("DELETE FROM quarantine");
    put_open_ = database_.prepare("INSERT OR REPLACE INTO open_connection VALUES (?1, ?2, ?3, ?4, ?5)");
    name_open_ = database_.prepare("UPDATE open_connection SET identified = ?2, identified_crc = ?3 WHERE conn = ?1");
    drop_open_ = database_.prepare("DELETE FROM open_connection WHERE conn = ?1");
    open_behind_ = database_.prepare(
        "SELECT conn, connected, identified, crc, identified_crc FROM open_connection WHERE conn > ?1"
        " ORDER BY conn LIMIT ?2");
    has_open_ = database_.prepare("SELECT 1 FROM open_connection WHERE conn = ?1");
    for (const Statement* one : statements()) {
        if (!one->valid()) return database_.error();
    }
    if (auto failed = sessions_.prepare(database_)) return failed;
    path_ = path;
    return open_lookups(path);
}

/// Opens a separate connection, so that a look-up does not wait for a transaction of another thread.
std::optional<DbError> Manifest::open_lookups(const std::string& path) {
    get_session_ = Statement();
    DbError error;
    auto looking_up = Database::open(path, Database::Use::read, error);
    if (!looking_up) return error;
    looking_up_ = std::move(*looking_up);
    looking_up_.set_busy_timeout_ms(2000);
    get_session_ = looking_up_.prepare(
        "SELECT seq, crc FROM device_session WHERE authenticated = ?1 AND id = ?2 AND session = ?3");
    if (!get_session_.valid()) return looking_up_.error();
    return std::nullopt;
}

std::optional<DbError> Manifest::load() {
    std::optional<std::string> id;
    std::optional<std::int64_t> complete;
    std::optional<std::int64_t> closed;
    std::optional<std::string> knows_open;
    std::optional<std::string> clock;
    const auto number = [this](const char* sql, auto& out) { return database_.read_number(sql, out); };
    if (auto failed = database_.read_text("SELECT value FROM about WHERE key = 'id'", id)) return failed;
    if (auto failed = number("SELECT CAST(value AS INTEGER) FROM about WHERE key = 'complete'", complete))
        return failed;
    if (auto failed = number("SELECT CAST(value AS INTEGER) FROM about WHERE key = 'closed'", closed)) return failed;
    if (auto failed = database_.read_text("SELECT value FROM about WHERE key = 'knows_open'", knows_open))
        return failed;
    if (!id) return DbError{DbFault::damaged, SQLITE_CORRUPT, "the file has no id"};
    id_ = *id;
    used_ = complete_ = static_cast<Position>(std::max<std::int64_t>(complete.value_or(0), 0));
    was_closed_ = closed.value_or(0) != 0;
    knows_open_ = knows_open.has_value();
    if (auto failed = database_.read_text("SELECT value FROM about WHERE key = 'clock'", clock)) return failed;
    clock_ = clock.value_or("");
    if (auto failed = read_groups(database_, groups_)) return failed;
    // A group has received the events up to its position, so those positions are never reused.
    for (const auto& [name, group] : groups_) used_ = std::max(used_, group.position);
    return load_damages();
}

std::optional<DbError> Manifest::load_damages() {
    Statement damages = database_.prepare("SELECT first, last, why, at FROM quarantine");
    if (!damages.valid()) return database_.error();
    Quarantine::Damages found;
    Statement::Step step{};
    while ((step = damages.step()) == Statement::Step::row) {
        found[static_cast<Position>(damages.number(0))] = {static_cast<Position>(damages.number(1)),
                                                           std::string(damages.text(2)), time_of(damages.number(3))};
    }
    if (step == Statement::Step::failed) return database_.error();
    quarantine_.load(std::move(found));
    return std::nullopt;
}

std::optional<DbError> Manifest::open_file(const std::string& path) {
    DbError error;
    auto database = Database::open(path, Database::Use::write, error);
    if (!database) return error;
    database_ = std::move(*database);
    if (auto failed = set_up_for_writing(database_)) return failed;
    if (auto failed = SessionTable::make(database_)) return failed;
    if (auto failed = prepare(path)) return failed;
    return load();
}

std::optional<DbError> Manifest::in_transaction(const std::function<bool()>& work) {
    if (auto failed = database_.execute("BEGIN IMMEDIATE")) return failed;
    std::optional<DbError> failed;
    if (!work()) {
        failed = database_.error();
        for (Statement* one : statements()) one->reset();
    }
    if (!failed) failed = database_.execute("COMMIT");
    if (!failed) {
        sessions_.committed();
        return std::nullopt;
    }
    sessions_.rolled_back();
    static_cast<void>(database_.execute("ROLLBACK"));
    return failed;
}

std::vector<SpoolGroup> Manifest::groups() const {
    const std::lock_guard lock(mutex_);
    std::vector<SpoolGroup> out;
    const auto is_required = [this](const std::string& name) {
        return std::find(required_.begin(), required_.end(), name) != required_.end();
    };
    for (const auto& [name, group] : groups_) {
        out.push_back({name, group.position, is_required(name), group.moved_at, group.memo});
    }
    for (const std::string& name : required_) {
        if (!groups_.contains(name)) out.push_back({name, 0, true, {}});
    }
    return out;
}

void Manifest::require(const std::vector<std::string>& names) {
    const std::lock_guard lock(mutex_);
    required_ = names;
}

bool Manifest::store_group(const std::string& name, const StoredGroup& group) {
    return put_group_.bind(1, std::string_view(name))
        .bind(2, group.position)
        .bind(3, milliseconds_of(group.moved_at))
        .bind(4, std::uint64_t{check_of_group(name, group.position)})
        .run();
}

std::optional<Error> Manifest::set_position(const std::string& group, Position position,
                                            const std::optional<std::string>& memo, WallTime now) {
    const std::lock_guard lock(mutex_);
    const auto known = groups_.find(group);
    const StoredGroup moved{position, now, memo.value_or(known == groups_.end() ? std::string() : known->second.memo)};
    const std::string key = memo_key(group);
    const std::string value = memo_value(group, moved.memo);
    if (auto failed = in_transaction([&] {
            return store_group(group, moved) &&
                   (!memo || put_about_.bind(1, std::string_view(key)).bind(2, std::string_view(value)).run());
        })) {
        return Error{"cannot store the position of group " + group + ": " + failed->message +
                     "; see the sink in `holdfast status`"};
    }
    groups_[group] = moved;
    return std::nullopt;
}

std::optional<Error> Manifest::remove_group(const std::string& group) {
    const std::lock_guard lock(mutex_);
    if (std::find(required_.begin(), required_.end(), group) != required_.end()) {
        return Error{"group " + group + " is required; remove it from required_groups in [sink] first"};
    }
    if (!groups_.contains(group)) return Error{"unknown group " + group};
    const std::string key = memo_key(group);
    if (auto failed = in_transaction([&] {
            return drop_group_.bind(1, std::string_view(group)).run() &&
                   put_about_.bind(1, std::string_view(key)).bind(2, std::string_view()).run();
        })) {
        return Error{"cannot remove group " + group + ": " + failed->message};
    }
    groups_.erase(group);
    return std::nullopt;
}

std::optional<Position> Manifest::slowest_required() const {
    const std::lock_guard lock(mutex_);
    std::optional<Position> slowest;
    for (const std::string& name : required_) {
        const auto found = groups_.find(name);
        const Position position = found == groups_.end() ? 0 : found->second.position;
        slowest = std::min(slowest.value_or(position), position);
    }
    return slowest;
}

void Manifest::limit_sessions(const SessionBudget& budget) {
    const std::lock_guard lock(mutex_);
    session_budget_ = budget;
}

SessionFigures Manifest::session_figures() const {
    const std::lock_guard lock(mutex_);
    SessionFigures figures = sessions_.figures();
    figures.max = session_budget_.overall;
    return figures;
}

bool Manifest::store_open(const std::string& conn, const OpenBook::Change& change) {
    const std::string_view identified = change.lines.identified;
    if (change.closed) return drop_open_.bind(1, std::string_view(conn)).run();
    const std::uint64_t identified_check = checksum({conn, identified}, {});
    if (!change.opened) {
        return name_open_.bind(1, std::string_view(conn)).bind(2, identified).bind(3, identified_check).run();
    }
    return put_open_.bind(1, std::string_view(conn))
        .bind(2, std::string_view(change.lines.connected))
        .bind(3, identified)
        .bind(4, std::uint64_t{checksum({conn, change.lines.connected}, {})})
        .bind(5, identified_check)
        .run();
}

std::optional<DbError> Manifest::has_open(const std::string& conn, bool& has) {
    const std::lock_guard lock(mutex_);
    const Statement::Step step = has_open_.bind(1, std::string_view(conn)).step();
    has = step == Statement::Step::row;
    const auto failed = step == Statement::Step::failed ? std::optional(database_.error()) : std::nullopt;
    has_open_.reset();
    return failed;
}

std::optional<DbError> Manifest::open_behind(const std::string& conn, std::size_t max, std::vector<OpenRow>& rows) {
    const std::lock_guard lock(mutex_);
    rows.clear();
    open_behind_.bind(1, std::string_view(conn)).bind(2, std::uint64_t{max});
    Statement::Step step{};
    while ((step = open_behind_.step()) == Statement::Step::row) {
        const std::string_view its = open_behind_.text(0);
        const std::string_view connected = open_behind_.text(1);
        const std::string_view identified = open_behind_.text(2);
        const auto is_right = [&](std::string_view line, int column) {
            return static_cast<std::uint64_t>(open_behind_.number(column)) == checksum({its, line}, {});
        };
        rows.emplace_back(its, OpenLines{is_right(connected, 3) ? std::string(connected) : std::string(),
                                         is_right(identified, 4) ? std::string(identified) : std::string()});
    }
    const auto failed = step == Statement::Step::failed ? std::optional(database_.error()) : std::nullopt;
    open_behind_.reset();
    return failed;
}

std::optional<DbError> Manifest::save(const Changes& changes, Position complete, WallTime now, bool closing) {
    const std::lock_guard lock(mutex_);
    const std::string position = std::to_string(complete);
    const std::string_view closed = closing ? "1" : "0";
    const auto damage = quarantine_.unsaved();
    auto failed = in_transaction([&] {
        bool good = put_about_.bind(1, std::string_view("complete")).bind(2, std::string_view(position)).run();
        good = good && put_about_.bind(1, std::string_view("closed")).bind(2, closed).run();
        good = good && put_about_.bind(1, std::string_view("knows_open")).bind(2, std::string_view("1")).run();
        good = good && put_about_.bind(1, std::string_view("clock")).bind(2, std::string_view(clock_)).run();
        for (const auto& [name, seq] : changes.numbers) good = good && sessions_.store(name, seq, now, session_budget_);
        good = good && sessions_.trim(session_budget_);
        for (const auto& [conn, change] : changes.open) good = good && store_open(conn, change);
        return good && (!damage || store_quarantine(damage->damages));
    });
    if (failed) return failed;
    if (damage) quarantine_.saved(damage->revision);
    return std::nullopt;
}

bool Manifest::store_quarantine(const Quarantine::Damages& damages) {
    bool good = drop_damages_.run();
    for (const auto& [first, damage] : damages) {
        good = good && put_damage_.bind(1, first)
                           .bind(2, damage.last)
                           .bind(3, std::string_view(damage.why))
                           .bind(4, milliseconds_of(damage.at))
                           .run();
    }
    return good;
}

std::optional<DbError> Manifest::save_marks(const std::vector<Watermark>& marks, WallTime now) {
    const std::lock_guard lock(mutex_);
    return in_transaction([&] {
        return std::all_of(marks.begin(), marks.end(), [&](const Watermark& mark) {
            return sessions_.store(mark.name, mark.seq, now, session_budget_);
        });
    });
}

std::optional<DbError> Manifest::forget_sessions(WallTime before) {
    const std::lock_guard lock(mutex_);
    return in_transaction([&] { return sessions_.forget(before); });
}

/// Reads the number. Leaves `seq` empty if it is damaged.
std::optional<DbError> Manifest::look_up(const SessionName& name, std::optional<std::uint64_t>& seq) {
    seq.reset();
    if (!get_session_.valid()) {
        if (auto failed = open_lookups(path_)) return failed;
    }
    get_session_.bind(1, std::uint64_t{name.authenticated});
    get_session_.bind(2, std::string_view(name.id)).bind(3, std::string_view(name.session));
    const Statement::Step step = get_session_.step();
    if (step == Statement::Step::failed) return looking_up_.error();
    const auto number = step == Statement::Step::row ? static_cast<std::uint64_t>(get_session_.number(0)) : 0;
    const auto check = step == Statement::Step::row ? static_cast<std::uint64_t>(get_session_.number(1)) : 0;
    get_session_.reset();
    if (step == Statement::Step::done || check == SessionTable::check_of(name, number)) seq = number;
    return std::nullopt;
}

std::optional<std::uint64_t> Manifest::seq_of(const SessionName& name, DbError& error) {
    for (std::size_t tries = 0;; ++tries) {
        std::optional<std::uint64_t> seq;
        const auto failed = look_up(name, seq);
        if (seq) return seq;
        get_session_ = Statement();  // to continue over a fresh connection
        if (failed && may_pass(*failed)) {
            error = *failed;
            return std::nullopt;
        }
        if (tries == std::size(pauses_before_damage)) return 0;
        std::this_thread::sleep_for(pauses_before_damage[tries]);
    }
}

}  // namespace holdfast
