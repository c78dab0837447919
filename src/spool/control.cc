#include "spool/control.h"

#include <sqlite3.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "spool/group_memo.h"
#include "spool/row.h"
#include "spool/segment_file.h"

namespace holdfast {

namespace {

// A spool of an earlier version has no such table.
constexpr const char* open_schema =
    "CREATE TABLE IF NOT EXISTS open_connection (conn TEXT PRIMARY KEY, connected TEXT NOT NULL,"
    " identified TEXT NOT NULL, crc INTEGER NOT NULL, identified_crc INTEGER NOT NULL) WITHOUT ROWID";

std::int64_t milliseconds_of(WallTime time) { return time.time_since_epoch().count(); }
WallTime time_of(std::int64_t ms) { return WallTime{std::chrono::milliseconds(ms)}; }

Error cannot_open(const std::string& path, const DbError& error) {
    return Error{"cannot open the spool's " + path + ": " + error.message +
                 "; make it writable for this user, free some space, or see the kernel's log for the disk"};
}

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
    return open_lookups(path);
}

/// A connection of its own: a look-up must not wait for a transaction of another thread.
std::optional<DbError> Control::open_lookups(const std::string& path) {
    get_session_ = Statement();
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
    if (!id) return DbError{DbFault::damaged, SQLITE_CORRUPT, "it has no id"};
    id_ = *id;
    used_ = complete_ = static_cast<Position>(std::max<std::int64_t>(complete.value_or(0), 0));
    was_closed_ = closed.value_or(0) != 0;
    knows_open_ = knows_open.has_value();
    if (auto failed = database_.read_text("SELECT value FROM about WHERE key = 'clock'", clock)) return failed;
    clock_ = clock.value_or("");
    if (auto failed = read_groups(database_, groups_)) return failed;
    // A group has had what is before its position: that is never given out again.
    for (const auto& [name, group] : groups_) used_ = std::max(used_, group.position);
    return load_damages();
}

std::optional<DbError> Control::load_damages() {
    Statement damages = database_.prepare("SELECT first, last, why, at FROM quarantine");
    if (!damages.valid()) return database_.error();
    Statement::Step step{};
    while ((step = damages.step()) == Statement::Step::row) {
        const auto first = static_cast<Position>(damages.number(0));
        const auto last = static_cast<Position>(damages.number(1));
        damages_[first] = {last, std::string(damages.text(2)), time_of(damages.number(3)), true};
        quarantined_.rows += 1;
        quarantined_.events += last - first + 1;
    }
    return step == Statement::Step::failed ? std::optional(database_.error()) : std::nullopt;
}

std::optional<DbError> Control::open_file(const std::string& path) {
    DbError error;
    auto database = Database::open(path, Database::Use::write, error);
    if (!database) return error;
    database_ = std::move(*database);
    if (auto failed = set_up_for_writing(database_)) return failed;
    if (auto failed = SessionTable::make(database_)) return failed;
    if (auto failed = prepare(path)) return failed;
    return load();
}

std::optional<DbError> Control::open_present(const Opening& opening, std::unique_ptr<Control>& control) {
    return opening.retries.run([&] {
        control.reset(new Control);
        auto failed = control->open_file(opening.directory.control_path());
        return failed ? failed : sync_log_name(opening.directory);
    });
}

Control::Opened Control::make_new(const Opening& opening, const ControlSeed& seed, std::string* aside) {
    std::unique_ptr<Control> control;
    auto failed = make_control_file(opening.directory, seed, aside);
    if (!failed) failed = open_present(opening, control);
    if (failed) {
        return Error{"cannot make the spool's " + opening.directory.control_path() + ": " + failed->message +
                     "; free some space or give this user the directory, or choose another with --sink spool:DIR"};
    }
    control->used_ = std::max(control->used_, seed.complete);
    return control;
}

/// There is no spool.db: a first start, or somebody has removed it.
Control::Opened Control::make_lost(Opening& opening) {
    const auto& segments = opening.contents.segments;
    ControlSeed seed;
    if (const auto failed =
            opening.retries.run([&] { return read_id_of_segments(opening.directory, segments, seed.id); }))
        return cannot_open("files of events", *failed);
    if (!segments.empty())
        opening.rebuilt = opening.directory.control_path() + " is missing: it was made again with " +
                          (seed.id.empty() ? "a new id" : "the id that the files of events have") +
                          "; groups begin at the oldest event";
    if (seed.id.empty()) seed.id = draw_spool_id();
    return make_new(opening, seed);
}

/// The new file is whole before it takes the damaged one's place.
Control::Opened Control::make_again(Opening& opening, const DbError& damage) {
    const std::string path = opening.directory.control_path();
    ControlSeed seed;
    std::string aside;
    const auto failed = opening.retries.run([&]() -> std::optional<DbError> {
        if (auto unread = salvage_control(path, seed)) return unread;
        if (!seed.id.empty()) return std::nullopt;
        return read_id_of_segments(opening.directory, opening.contents.segments, seed.id);
    });
    if (failed) return cannot_open(path, *failed);
    if (seed.id.empty()) {
        // Another id begins other positions.
        seed = {.id = draw_spool_id(), .groups = {}, .complete = seed.complete};
    }
    auto made = make_new(opening, seed, &aside);
    opening.rebuilt = "the spool's " + path + " is damaged (" + damage.message + "): it is now " + aside +
                      ", and was made again with " + std::to_string(seed.groups.size()) + " groups";
    return made;
}

Control::Opened Control::open(Opening& opening) {
    const std::string path = opening.directory.control_path();
    if (!opening.contents.control) return make_lost(opening);
    ControlLook look;
    const auto unreadable = opening.retries.run([&]() -> std::optional<DbError> {
        look = look_at_control(path);
        // What a fresh read returns otherwise was no damage.
        for (const auto pause : pauses_before_damage) {
            if (look.state != ControlState::damaged) break;
            std::this_thread::sleep_for(pause);
            look = look_at_control(path);
        }
        return look.state == ControlState::unreadable ? std::optional(look.error) : std::nullopt;
    });
    if (unreadable) return cannot_open(path, *unreadable);
    switch (look.state) {
        case ControlState::whole:
        case ControlState::unreadable:
            break;
        case ControlState::newer:
            return Error{path + " was made by a newer version of holdfast (schema " + std::to_string(look.schema) +
                         ", this one knows " + std::to_string(spool_schema) +
                         "): run that version, or choose another directory"};
        case ControlState::foreign:
            return Error{path + " is not a spool's: choose an empty or a new directory with --sink spool:DIR"};
        case ControlState::unmade:
            if (opening.contents.segments.empty()) return make_new(opening, {.id = draw_spool_id(), .groups = {}});
            return make_again(opening, look.error);
        case ControlState::damaged:
            return make_again(opening, look.error);
    }
    std::unique_ptr<Control> control;
    const auto failed = open_present(opening, control);
    if (!failed) return control;
    control.reset();
    return may_pass(*failed) || failed->fault == DbFault::full ? cannot_open(path, *failed)
                                                               : make_again(opening, *failed);
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

bool Control::store_group(const std::string& name, const StoredGroup& group) {
    return put_group_.bind(1, std::string_view(name))
        .bind(2, group.position)
        .bind(3, milliseconds_of(group.moved_at))
        .bind(4, std::uint64_t{check_of_group(name, group.position)})
        .run();
}

std::optional<Error> Control::set_position(const std::string& group, Position position,
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
