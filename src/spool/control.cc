#include "spool/control.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>

#include "spool/group_memo.h"
#include "spool/row.h"
#include "spool/segment_file.h"

namespace holdfast {

namespace {

constexpr const char* control_schema =
    "BEGIN;"
    "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE consumer_group (name TEXT PRIMARY KEY, position INTEGER NOT NULL, moved_at INTEGER NOT NULL,"
    " crc INTEGER NOT NULL) WITHOUT ROWID;"
    // Only versions that do not know device_session (spool/session_table.h) write to it; they need it to start.
    "CREATE TABLE session (id TEXT, session TEXT, seq INTEGER NOT NULL, at INTEGER NOT NULL, crc INTEGER NOT NULL,"
    " PRIMARY KEY (id, session)) WITHOUT ROWID;"
    "CREATE TABLE quarantine (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, why TEXT NOT NULL,"
    " at INTEGER NOT NULL);"
    "PRAGMA application_id = 0x48465350;"
    "PRAGMA user_version = 1;"
    "COMMIT";

// A spool of an earlier version has no such table.
constexpr const char* open_schema =
    "CREATE TABLE IF NOT EXISTS open_connection (conn TEXT PRIMARY KEY, connected TEXT NOT NULL,"
    " identified TEXT NOT NULL, crc INTEGER NOT NULL, identified_crc INTEGER NOT NULL) WITHOUT ROWID";

std::string draw_id() {
    std::random_device device;
    std::array<char, 20> text{};
    std::snprintf(text.data(), text.size(), "%08x%08x", device(), device());
    return text.data();
}

std::int64_t milliseconds_of(WallTime time) { return time.time_since_epoch().count(); }
WallTime time_of(std::int64_t ms) { return WallTime{std::chrono::milliseconds(ms)}; }

std::uint64_t check_of(std::string_view name, Position position) { return checksum({name}, {position}); }

std::string about_file(const std::string& path, const DbError& error) { return path + ": " + error.message; }

}  // namespace

std::vector<Statement*> Control::statements() {
    return {&put_group_, &drop_group_, &put_about_, &put_damage_,  &drop_damages_,
            &put_open_,  &name_open_,  &drop_open_, &open_behind_, &has_open_};
}

std::optional<DbError> Control::prepare(const std::string& path) {
    if (auto failed = database_.execute(open_schema)) return failed;
    put_group_ = database_.prepare(
        "INSERT INTO consumer_group VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO UPDATE SET"
        " position = excluded.position, moved_at = excluded.moved_at, crc = excluded.crc");
    drop_group_ = database_.prepare("DELETE FROM consumer_group WHERE name = ?1");
    put_about_ = database_.prepare("INSERT OR REPLACE INTO about VALUES (?1, ?2)");
    put_damage_ = database_.prepare("INSERT OR REPLACE INTO quarantine VALUES (?1, ?2, ?3, ?4)");
    drop_damages_ = database_.prepare("DELETE FROM quarantine WHERE first >= ?1 AND last <= ?2");
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
    DbError error;
    auto looking_up = Database::open(path, Database::Use::read, error);
    if (!looking_up) return error;
    looking_up_ = std::move(*looking_up);
    looking_up_.set_busy_patience_ms(2000);
    get_session_ = looking_up_.prepare(
        "SELECT seq, crc FROM device_session WHERE authenticated = ?1 AND id = ?2 AND session = ?3");
    if (!get_session_.valid()) return looking_up_.error();
    return std::nullopt;
}

std::optional<DbError> Control::load() {
    const auto id = database_.value_of("SELECT value FROM about WHERE key = 'id'");
    const auto complete = database_.number_of("SELECT CAST(value AS INTEGER) FROM about WHERE key = 'complete'");
    const auto closed = database_.number_of("SELECT CAST(value AS INTEGER) FROM about WHERE key = 'closed'");
    if (!id || id->size() != 16) return DbError{DbFault::damaged, SQLITE_CORRUPT, "it has no id"};
    id_ = *id;
    complete_ = static_cast<Position>(complete.value_or(0));
    was_closed_ = closed.value_or(0) != 0;
    knows_open_ = database_.value_of("SELECT value FROM about WHERE key = 'knows_open'").has_value();
    clock_ = database_.value_of("SELECT value FROM about WHERE key = 'clock'").value_or("");
    load_groups();
    for (auto& [name, memo] : load_memos(database_)) {
        if (const auto group = groups_.find(name); group != groups_.end()) group->second.memo = std::move(memo);
    }
    Statement damages = database_.prepare("SELECT first, last, why, at FROM quarantine");
    if (!damages.valid()) return database_.error();
    while (damages.step() == Statement::Step::row) {
        const auto first = static_cast<Position>(damages.number(0));
        const auto last = static_cast<Position>(damages.number(1));
        damages_[first] = {last, std::string(damages.text(2)), time_of(damages.number(3)), true};
        quarantined_.rows += 1;
        quarantined_.events += last - first + 1;
    }
    return std::nullopt;
}

/// Of a damaged file too: what can be read, and is right.
void Control::load_groups() {
    Statement groups = database_.prepare("SELECT name, position, moved_at, crc FROM consumer_group");
    if (!groups.valid()) return;
    while (groups.step() == Statement::Step::row) {
        const auto position = static_cast<Position>(groups.number(1));
        const bool right = static_cast<std::uint64_t>(groups.number(3)) == check_of(groups.text(0), position);
        groups_[std::string(groups.text(0))] = {right ? position : 0, time_of(groups.number(2)), true};
    }
}

Result<std::unique_ptr<Control>> Control::make_new(const SpoolDirectory& directory, const std::string& id,
                                                   const std::map<std::string, Group>& groups) {
    const std::string path = directory.control_path();
    const auto refused = [&path](const std::string& why) {
        SpoolDirectory::remove(path);
        return Error{"cannot make the spool's " + path + ": " + why +
                     "; free some space or give this user the directory, or choose another with --sink spool:DIR"};
    };
    if (!SpoolDirectory::make_file(path)) return refused(std::strerror(errno));
    DbError error;
    auto database = Database::open(path, Database::Use::write, error);
    if (!database) return refused(error.message);
    std::unique_ptr<Control> control(new Control);
    control->database_ = std::move(*database);
    std::optional<DbError> trouble = set_up_for_writing(control->database_);
    if (!trouble) trouble = control->database_.execute(control_schema);
    if (!trouble) trouble = SessionTable::make(control->database_);
    if (!trouble) trouble = control->prepare(path);
    if (!trouble)
        trouble = control->in_transaction([&] {
            bool good = control->put_about_.bind(1, std::string_view("id")).bind(2, std::string_view(id)).run();
            for (const auto& [name, group] : groups) good = good && control->store_group(name, group);
            return good;
        });
    if (!trouble) trouble = control->load();
    if (trouble || !directory.sync()) {
        control.reset();
        return refused(trouble ? trouble->message : std::strerror(errno));
    }
    return control;
}

Result<std::unique_ptr<Control>> Control::open_present(const SpoolDirectory& directory, bool& damaged) {
    const std::string path = directory.control_path();
    DbError error;
    const auto trouble = [&](const DbError& what) {
        damaged = what.fault == DbFault::damaged;
        return Error{"cannot open the spool's " + about_file(path, what) +
                     "; it must be writable for this user, and its file system have space"};
    };
    auto database = Database::open(path, Database::Use::write, error);
    if (!database) return trouble(error);
    const auto application = database->number_of("PRAGMA application_id");
    if (!application) return trouble(database->error());
    const auto schema = database->number_of("PRAGMA user_version").value_or(0);
    if (*application != spool_application) {
        damaged = true;
        return Error{path + " is not a spool's: choose an empty or a new directory with --sink spool:DIR"};
    }
    if (schema > spool_schema) {
        return Error{path + " was made by a newer version of holdfast (schema " + std::to_string(schema) +
                     ", this one knows " + std::to_string(spool_schema) +
                     "): run that version, or choose another directory"};
    }
    if (auto failed = set_up_for_writing(*database)) return trouble(*failed);
    const auto check = database->value_of("PRAGMA quick_check(1)");
    if (!check || *check != "ok") {
        return trouble(check ? DbError{DbFault::damaged, SQLITE_CORRUPT, *check} : database->error());
    }
    std::unique_ptr<Control> control(new Control);
    control->database_ = std::move(*database);
    if (auto failed = SessionTable::make(control->database_)) return trouble(*failed);
    if (auto failed = control->prepare(path)) return trouble(*failed);
    if (auto failed = control->load()) return trouble(*failed);
    return control;
}

Result<std::unique_ptr<Control>> Control::open(const SpoolDirectory& directory, std::string& rebuilt) {
    if (!directory.has_control()) return make_new(directory, draw_id(), {});
    bool damaged = false;
    auto present = open_present(directory, damaged);
    if (present || !damaged || directory.segments().empty()) return present;
    // What can be saved of it.
    Control old;
    DbError error;
    if (auto database = Database::open(directory.control_path(), Database::Use::read, error)) {
        old.database_ = std::move(*database);
        old.id_ = old.database_.value_of("SELECT value FROM about WHERE key = 'id'").value_or("");
        old.load_groups();
        old.database_ = Database();
    }
    const std::string aside = SpoolDirectory::set_aside(directory.control_path());
    rebuilt = present.error().message + ": it is now " + aside + ", and was made anew with " +
              std::to_string(old.groups_.size()) + " groups";
    return make_new(directory, old.id_.size() == 16 ? old.id_ : draw_id(), old.groups_);
}

std::optional<DbError> Control::in_transaction(const std::function<bool()>& work) {
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

std::vector<SpoolGroup> Control::groups() const {
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

void Control::require(const std::vector<std::string>& names) {
    const std::lock_guard lock(mutex_);
    required_ = names;
}

bool Control::store_group(const std::string& name, const Group& group) {
    return put_group_.bind(1, std::string_view(name))
        .bind(2, group.position)
        .bind(3, milliseconds_of(group.moved_at))
        .bind(4, check_of(name, group.position))
        .run();
}

std::optional<Error> Control::set_position(const std::string& group, Position position,
                                           const std::optional<std::string>& memo, WallTime now) {
    const std::lock_guard lock(mutex_);
    const auto known = groups_.find(group);
    const Group moved{position, now, true, memo.value_or(known == groups_.end() ? std::string() : known->second.memo)};
    const std::string key = memo_key(group);
    const std::string value = memo_value(group, moved.memo);
    if (auto failed = in_transaction([&] {
            return store_group(group, moved) &&
                   (!memo || put_about_.bind(1, std::string_view(key)).bind(2, std::string_view(value)).run());
        })) {
        return Error{"cannot store the position of group " + group + ": " + failed->message +
                     "; see what `holdfast status` says of the sink"};
    }
    groups_[group] = moved;
    return std::nullopt;
}

std::optional<Error> Control::remove_group(const std::string& group) {
    const std::lock_guard lock(mutex_);
    if (std::find(required_.begin(), required_.end(), group) != required_.end()) {
        return Error{"group " + group + " is required: take it out of required_groups in [sink] first"};
    }
    if (!groups_.contains(group)) return Error{"there is no group " + group};
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

std::optional<Position> Control::slowest_required() const {
    const std::lock_guard lock(mutex_);
    std::optional<Position> slowest;
    for (const std::string& name : required_) {
        const auto found = groups_.find(name);
        const Position position = found == groups_.end() ? 0 : found->second.position;
        slowest = std::min(slowest.value_or(position), position);
    }
    return slowest;
}

void Control::limit_sessions(const SessionBudget& budget) {
    const std::lock_guard lock(mutex_);
    session_budget_ = budget;
}

SessionFigures Control::session_figures() const {
    const std::lock_guard lock(mutex_);
    SessionFigures figures = sessions_.figures();
    figures.most = session_budget_.overall;
    return figures;
}

bool Control::store_open(const std::string& conn, const OpenBook::Change& change) {
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

bool Control::has_open(const std::string& conn) {
    const std::lock_guard lock(mutex_);
    const bool has = has_open_.bind(1, std::string_view(conn)).step() == Statement::Step::row;
    has_open_.reset();
    return has;
}

std::vector<Control::OpenRow> Control::open_behind(const std::string& conn, std::size_t most) {
    const std::lock_guard lock(mutex_);
    std::vector<OpenRow> rows;
    open_behind_.bind(1, std::string_view(conn)).bind(2, std::uint64_t{most});
    while (open_behind_.step() == Statement::Step::row) {
        const std::string_view its = open_behind_.text(0);
        const std::string_view connected = open_behind_.text(1);
        const std::string_view identified = open_behind_.text(2);
        const auto is_right = [&](std::string_view line, int column) {
            return static_cast<std::uint64_t>(open_behind_.number(column)) == checksum({its, line}, {});
        };
        rows.emplace_back(its, OpenLines{is_right(connected, 3) ? std::string(connected) : std::string(),
                                         is_right(identified, 4) ? std::string(identified) : std::string()});
    }
    open_behind_.reset();
    return rows;
}

std::optional<DbError> Control::save(const Changes& changes, Position complete, WallTime now, bool closing) {
    const std::lock_guard lock(mutex_);
    const std::string position = std::to_string(complete);
    const std::string_view closed = closing ? "1" : "0";
    auto failed = in_transaction([&] {
        bool good = put_about_.bind(1, std::string_view("complete")).bind(2, std::string_view(position)).run();
        good = good && put_about_.bind(1, std::string_view("closed")).bind(2, closed).run();
        good = good && put_about_.bind(1, std::string_view("knows_open")).bind(2, std::string_view("1")).run();
        good = good && put_about_.bind(1, std::string_view("clock")).bind(2, std::string_view(clock_)).run();
        for (const auto& [name, seq] : changes.numbers) good = good && sessions_.store(name, seq, now, session_budget_);
        good = good && sessions_.trim(session_budget_);
        for (const auto& [conn, change] : changes.open) good = good && store_open(conn, change);
        for (const auto& [first, damage] : damages_) {
            if (damage.stored || !good) continue;
            good = drop_damages_.bind(1, first).bind(2, damage.last).run();
            good = good && put_damage_.bind(1, first)
                               .bind(2, damage.last)
                               .bind(3, std::string_view(damage.why))
                               .bind(4, milliseconds_of(damage.at))
                               .run();
        }
        return good;
    });
    if (failed) return failed;
    for (auto& [first, damage] : damages_) damage.stored = true;
    return std::nullopt;
}

std::optional<DbError> Control::save_marks(const std::vector<SessionMark>& marks, WallTime now) {
    const std::lock_guard lock(mutex_);
    return in_transaction([&] {
        return std::all_of(marks.begin(), marks.end(), [&](const SessionMark& mark) {
            return sessions_.store(mark.name, mark.seq, now, session_budget_);
        });
    });
}

std::optional<DbError> Control::forget_sessions(WallTime before) {
    const std::lock_guard lock(mutex_);
    return in_transaction([&] { return sessions_.forget(before); });
}

std::optional<std::uint64_t> Control::seq_of(const SessionName& name, DbError& error) {
    get_session_.bind(1, std::uint64_t{name.authenticated});
    get_session_.bind(2, std::string_view(name.id)).bind(3, std::string_view(name.session));
    const Statement::Step step = get_session_.step();
    std::uint64_t seq = 0;
    if (step == Statement::Step::failed) error = looking_up_.error();
    if (step == Statement::Step::row) {
        seq = static_cast<std::uint64_t>(get_session_.number(0));
        // A number whose checksum is wrong counts as none: then the device sends again, and nothing is lost.
        if (static_cast<std::uint64_t>(get_session_.number(1)) != SessionTable::check_of(name, seq)) seq = 0;
    }
    get_session_.reset();
    if (step == Statement::Step::failed) return std::nullopt;
    return seq;
}

std::optional<DbError> Control::bound_session_times(WallTime now) {
    const std::lock_guard lock(mutex_);
    const std::string ms = std::to_string(milliseconds_of(now));
    return database_.execute(("UPDATE device_session SET at = " + ms + " WHERE at > " + ms).c_str());
}

bool Control::quarantine(const MissingRange& range, WallTime wall) {
    const std::lock_guard lock(mutex_);
    // A consumer that starts in the middle of a range finds the rest of it.
    auto behind = damages_.upper_bound(range.first);
    if (behind != damages_.begin() && std::prev(behind)->second.last >= range.last) return false;
    while (behind != damages_.end() && behind->second.last <= range.last) {
        quarantined_.rows -= 1;
        quarantined_.events -= behind->second.last - behind->first + 1;
        behind = damages_.erase(behind);
    }
    damages_[range.first] = {range.last, range.why, wall, false};
    quarantined_.rows += 1;
    quarantined_.events += range.last - range.first + 1;
    return true;
}

bool Control::has_unsaved() const {
    const std::lock_guard lock(mutex_);
    return std::any_of(damages_.begin(), damages_.end(), [](const auto& damage) { return !damage.second.stored; });
}

Control::Quarantined Control::quarantined() const {
    const std::lock_guard lock(mutex_);
    return quarantined_;
}

}  // namespace holdfast
