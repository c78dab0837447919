#include "spool/session_table.h"

#include <sqlite3.h>

#include <algorithm>

#include "spool/row.h"

namespace holdfast {

void SessionBook::note(const std::vector<Watermark>& marks) {
    const std::lock_guard lock(mutex_);
    for (const Watermark& mark : marks) keep(mark.name, mark.seq);
}

void SessionBook::keep(const SessionName& name, std::uint64_t seq) {
    std::uint64_t& kept = fresh_[name];
    kept = std::max(kept, seq);
    if (fresh_.size() > max_sessions_) fresh_.erase(fresh_.begin());
}

void SessionBook::limit(std::uint64_t max) {
    const std::lock_guard lock(mutex_);
    max_sessions_ = std::max<std::uint64_t>(max, 1);
}

std::optional<std::uint64_t> SessionBook::seq_of(const SessionName& name) const {
    const std::lock_guard lock(mutex_);
    std::optional<std::uint64_t> seq;
    for (const Numbers* numbers : {&fresh_, &saving_}) {
        const auto found = numbers->find(name);
        if (found != numbers->end()) seq = std::max(seq.value_or(0), found->second);
    }
    return seq;
}

const SessionBook::Numbers& SessionBook::begin_saving() {
    const std::lock_guard lock(mutex_);
    saving_.swap(fresh_);
    return saving_;
}

void SessionBook::end_saving(bool saved) {
    const std::lock_guard lock(mutex_);
    if (!saved) {
        for (const auto& [name, seq] : saving_) keep(name, seq);
    }
    saving_.clear();
}

namespace {

constexpr const char* table_schema =
    "CREATE TABLE device_session (authenticated INTEGER NOT NULL, id TEXT NOT NULL, session TEXT NOT NULL,"
    " seq INTEGER NOT NULL, at INTEGER NOT NULL, crc INTEGER NOT NULL,"
    " PRIMARY KEY (authenticated, id, session)) WITHOUT ROWID";

/// A share of the budget is dropped at once, so that a full table is not searched for its oldest rows every second.
constexpr std::uint64_t share_dropped_at_once = 64;

std::uint64_t former_check_of(std::string_view id, std::string_view session, std::uint64_t seq) {
    return checksum({id, session}, {seq});
}

std::int64_t unix_ms(WallTime time) { return time.time_since_epoch().count(); }

Statement& bind_name(Statement& statement, const SessionName& name) {
    return statement.bind(1, std::uint64_t{name.authenticated})
        .bind(2, std::string_view(name.id))
        .bind(3, std::string_view(name.session));
}

/// Copies each sound row of the former table `session` into both kinds.
bool take_over(Database& database) {
    Statement former = database.prepare("SELECT id, session, seq, at, crc FROM session");
    Statement insert = database.prepare("INSERT OR IGNORE INTO device_session VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    if (!former.valid() || !insert.valid()) return false;
    Statement::Step step{};
    while ((step = former.step()) == Statement::Step::row) {
        const auto seq = static_cast<std::uint64_t>(former.number(2));
        const std::string_view id = former.text(0);
        const std::string_view session = former.text(1);
        if (static_cast<std::uint64_t>(former.number(4)) != former_check_of(id, session, seq)) continue;
        for (const bool authenticated : {false, true}) {
            const SessionName name{std::string(id), std::string(session), authenticated};
            bind_name(insert, name).bind(4, seq).bind(5, former.number(3)).bind(6, SessionTable::check_of(name, seq));
            if (!insert.run()) return false;
        }
    }
    return step == Statement::Step::done;
}

}  // namespace

std::uint64_t SessionTable::check_of(const SessionName& name, std::uint64_t seq) {
    return checksum({name.id, name.session}, {seq, std::uint64_t{name.authenticated}});
}

std::optional<DbError> SessionTable::make(Database& database) {
    std::optional<std::int64_t> present;
    constexpr const char* query = "SELECT count(*) FROM sqlite_master WHERE name = 'device_session'";
    if (auto failed = database.read_number(query, present)) return failed;
    if (present.value_or(0) > 0) return std::nullopt;
    if (auto failed = database.execute("BEGIN IMMEDIATE")) return failed;
    auto failed = database.execute(table_schema);
    if (!failed && !take_over(database)) failed = database.error();
    if (!failed) failed = database.execute("COMMIT");
    if (failed) static_cast<void>(database.execute("ROLLBACK"));
    return failed;
}

std::optional<DbError> SessionTable::bound_times(Database& database, WallTime now) {
    const std::string ms = std::to_string(unix_ms(now));
    return database.execute(("UPDATE device_session SET at = " + ms + " WHERE at > " + ms).c_str());
}

std::optional<DbError> SessionTable::prepare(Database& database) {
    database_ = &database;
    update_ = database.prepare(
        "UPDATE device_session SET seq = ?4, at = ?5, crc = ?6"
        " WHERE authenticated = ?1 AND id = ?2 AND session = ?3 AND seq <= ?4");
    insert_ = database.prepare("INSERT OR IGNORE INTO device_session VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    trim_id_ = database.prepare(
        "DELETE FROM device_session WHERE authenticated = ?1 AND id = ?2 AND session IN"
        " (SELECT session FROM device_session WHERE authenticated = ?1 AND id = ?2"
        " ORDER BY session = ?3 DESC, at DESC LIMIT -1 OFFSET ?4)");
    drop_oldest_ = database.prepare(
        "DELETE FROM device_session WHERE authenticated = ?1 AND (id, session) IN"
        " (SELECT id, session FROM device_session WHERE authenticated = ?1 ORDER BY at LIMIT ?2)");
    forget_ = database.prepare("DELETE FROM device_session WHERE at < ?1");
    forget_former_ = database.prepare("DELETE FROM session WHERE at < ?1");
    count_ = database.prepare("SELECT authenticated, count(*) FROM device_session GROUP BY authenticated");
    for (const Statement* one : {&update_, &insert_, &trim_id_, &drop_oldest_, &forget_, &forget_former_, &count_}) {
        if (!one->valid()) return database.error();
    }
    if (!count()) return database.error();
    before_ = figures_;
    return std::nullopt;
}

std::uint64_t SessionTable::changes() const {
    return static_cast<std::uint64_t>(std::max(sqlite3_changes(database_->handle()), 0));
}

bool SessionTable::count() {
    figures_.authenticated = figures_.unauthenticated = 0;
    Statement::Step step{};
    while ((step = count_.step()) == Statement::Step::row) {
        const auto rows = static_cast<std::uint64_t>(count_.number(1));
        (count_.number(0) != 0 ? figures_.authenticated : figures_.unauthenticated) = rows;
    }
    count_.reset();
    counted_ = step == Statement::Step::done;
    return counted_;
}

bool SessionTable::store(const SessionName& name, std::uint64_t seq, WallTime now, const SessionBudget& budget) {
    const auto run = [&](Statement& statement) {
        return bind_name(statement, name).bind(4, seq).bind(5, unix_ms(now)).bind(6, check_of(name, seq)).run();
    };
    if (!counted_ && !count()) return false;
    if (!run(update_)) return false;
    if (changes() > 0) return true;
    if (!run(insert_)) return false;
    if (changes() == 0) return true;  // the stored number is larger
    ++(name.authenticated ? figures_.authenticated : figures_.unauthenticated);
    return trim_id(name, budget);
}

bool SessionTable::trim_id(const SessionName& name, const SessionBudget& budget) {
    if (!bind_name(trim_id_, name).bind(4, budget.per_id).run()) return false;
    const std::uint64_t gone = changes();
    std::uint64_t& kept = name.authenticated ? figures_.authenticated : figures_.unauthenticated;
    kept -= std::min(kept, gone);
    figures_.replaced += gone;
    return true;
}

bool SessionTable::trim(const SessionBudget& budget) {
    const std::uint64_t all = figures_.authenticated + figures_.unauthenticated;
    if (all <= budget.overall) return true;
    const std::uint64_t surplus = std::max(all - budget.overall, budget.overall / share_dropped_at_once);
    const std::uint64_t unauthenticated = std::min(surplus, figures_.unauthenticated);
    if (unauthenticated > 0 && !drop_oldest(false, unauthenticated)) return false;
    const std::uint64_t left = figures_.authenticated + figures_.unauthenticated;
    return left <= budget.overall || drop_oldest(true, surplus - unauthenticated);
}

bool SessionTable::drop_oldest(bool authenticated, std::uint64_t max) {
    if (!drop_oldest_.bind(1, std::uint64_t{authenticated}).bind(2, max).run()) return false;
    const std::uint64_t gone = changes();
    std::uint64_t& kept = authenticated ? figures_.authenticated : figures_.unauthenticated;
    kept -= std::min(kept, gone);
    (authenticated ? figures_.evicted_authenticated : figures_.evicted_unauthenticated) += gone;
    return true;
}

bool SessionTable::forget(WallTime before) {
    const std::int64_t at = unix_ms(before);
    return forget_.bind(1, at).run() && forget_former_.bind(1, at).run() && count();
}

void SessionTable::committed() { before_ = figures_; }

void SessionTable::rolled_back() {
    figures_ = before_;
    counted_ = false;
    for (Statement* one : {&update_, &insert_, &trim_id_, &drop_oldest_, &forget_, &forget_former_, &count_}) {
        one->reset();
    }
}

}  // namespace holdfast
