#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "spool/database.h"
#include "spool/directory.h"
#include "spool/manifest_file.h"
#include "spool/open_book.h"
#include "spool/quarantine.h"
#include "spool/session_table.h"
#include "spool/spool.h"
#include "spool/start_retries.h"

namespace holdfast {

/// Owns spool.db: the spool's id, the positions of groups, the numbers of sessions, the quarantine, and the position up
/// to which these are complete. Any thread, unless a function says otherwise.
class Manifest {
public:
    struct Opening {
        const SpoolDirectory& directory;
        const SpoolDirectory::Contents& contents;
        StartRetries& retries;
        std::string rebuilt;  ///< out: how a lost or damaged file was rebuilt
    };
    /// Opens spool.db. Creates it if it is missing or if an interrupted first start left it incomplete.
    /// Sets a damaged file aside and rebuilds it from what can be read; complete() is then 0. Fails if the file is not
    /// a spool, is from a newer version, or if the disk fails.
    [[nodiscard]] static Result<std::unique_ptr<Manifest>> open(Opening& opening);

    [[nodiscard]] const std::string& id() const { return id_; }
    /// Returns the position, at the start, up to which the table holds the sessions of all events. No newer event
    /// existed when it was written.
    [[nodiscard]] Position complete() const { return complete_; }
    [[nodiscard]] bool was_closed() const { return was_closed_; }  ///< at the start: complete() is the newest event
    /// Returns the highest position, at the start, that was ever used, even if the files of events no longer hold it.
    [[nodiscard]] Position used() const { return used_; }

    [[nodiscard]] std::vector<SpoolGroup> groups() const;
    void require(const std::vector<std::string>& names);
    [[nodiscard]] std::optional<Error> set_position(const std::string& group, Position position,
                                                    const std::optional<std::string>& memo, WallTime now);
    [[nodiscard]] std::optional<Error> remove_group(const std::string& group);
    /// Returns the lowest position of the required groups, or nullopt if no group is required.
    [[nodiscard]] std::optional<Position> slowest_required() const;

    void limit_sessions(const SessionBudget& budget);
    [[nodiscard]] SessionFigures session_figures() const;
    struct Changes {
        const SessionBook::Numbers& numbers;
        const OpenBook::Changes& open;
    };
    /// Saves both tables, which then hold all events up to `complete`, and enforces the budget of sessions.
    [[nodiscard]] std::optional<DbError> save(const Changes& changes, Position complete, WallTime now, bool closing);
    [[nodiscard]] std::optional<DbError> save_marks(const std::vector<Watermark>& marks, WallTime now);
    [[nodiscard]] std::optional<DbError> forget_sessions(WallTime before);
    /// Returns the number in the table, or 0 if it is missing or damaged: the device then sends again, and no item is
    /// lost. Fails if the table cannot be read now. The spool's thread only.
    [[nodiscard]] std::optional<std::uint64_t> seq_of(const SessionName& name, DbError& error);

    /// Returns false, at the start, if the table of open connections must be built from all existing events. An earlier
    /// version or a rebuilt file has no such table.
    [[nodiscard]] bool knows_open() const { return knows_open_; }
    /// Copies the content of the present spool.db, whose file was removed, into a new one and continues there. The
    /// spool's thread only.
    [[nodiscard]] std::optional<DbError> move_to_new_file(const SpoolDirectory& directory);
    /// Returns the result of SpoolClock::stored() in an earlier process, or an empty text if it is unknown. At the
    /// start.
    [[nodiscard]] const std::string& clock() const { return clock_; }
    /// Sets the text of the clock, which the next save() stores.
    void set_clock(std::string stored) {
        const std::lock_guard lock(mutex_);
        clock_ = std::move(stored);
    }
    /// Sets the time of sessions that were used later than `now` to `now`.
    [[nodiscard]] std::optional<DbError> bound_session_times(WallTime now) {
        const std::lock_guard lock(mutex_);
        return SessionTable::bound_times(database_, now);
    }
    using OpenRow = std::pair<std::string, OpenLines>;  ///< connection id and its lines
    /// Reads at most `max` rows of the table of open connections after `conn`, in order. Leaves a damaged line empty.
    [[nodiscard]] std::optional<DbError> open_behind(const std::string& conn, std::size_t max,
                                                     std::vector<OpenRow>& rows);
    [[nodiscard]] std::optional<DbError> has_open(const std::string& conn, bool& has);

    [[nodiscard]] Quarantine& quarantine() { return quarantine_; }  ///< stored by the next save()

private:
    Manifest() = default;
    [[nodiscard]] std::optional<DbError> load();
    [[nodiscard]] std::optional<DbError> load_damages();
    [[nodiscard]] std::optional<DbError> prepare(const std::string& path);
    [[nodiscard]] std::optional<DbError> open_lookups(const std::string& path);
    using Opened = Result<std::unique_ptr<Manifest>>;
    [[nodiscard]] static std::optional<DbError> open_present(const Opening& opening,
                                                             std::unique_ptr<Manifest>& manifest);
    [[nodiscard]] static Opened make_new(const Opening& opening, const ManifestSeed& seed,
                                         std::string* aside = nullptr);
    [[nodiscard]] static Opened make_lost(Opening& opening);
    [[nodiscard]] static Opened make_again(Opening& opening, const DbError& damage);
    [[nodiscard]] std::optional<DbError> open_file(const std::string& path);
    [[nodiscard]] bool store_group(const std::string& name, const StoredGroup& group);
    [[nodiscard]] std::optional<DbError> look_up(const SessionName& name, std::optional<std::uint64_t>& seq);
    [[nodiscard]] bool store_quarantine(const Quarantine::Damages& damages);
    [[nodiscard]] bool store_open(const std::string& conn, const OpenBook::Change& change);
    [[nodiscard]] std::vector<Statement*> statements();
    [[nodiscard]] std::optional<DbError> in_transaction(const std::function<bool()>& work);

    mutable std::mutex mutex_;
    Database database_;  // with its statements, guarded by mutex_
    Statement put_group_;
    Statement drop_group_;
    Statement put_about_;
    Statement put_damage_;
    Statement drop_damages_;
    SessionTable sessions_;
    SessionBudget session_budget_;
    Statement put_open_;
    Statement name_open_;
    Statement drop_open_;
    Statement open_behind_;
    Statement has_open_;
    Database looking_up_;  // the spool's thread only
    Statement get_session_;
    std::string path_;

    std::string id_;
    Position complete_ = 0;
    bool was_closed_ = false;
    bool knows_open_ = false;
    Position used_ = 0;
    std::string clock_;                  // guarded by mutex_
    StoredGroups groups_;                // guarded by mutex_
    std::vector<std::string> required_;  // guarded by mutex_
    Quarantine quarantine_;
};

}  // namespace holdfast
