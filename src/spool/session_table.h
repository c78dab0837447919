#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "spool/database.h"
#include "spool/spool.h"

namespace holdfast {

/// Holds the last durable numbers of sessions that the table does not have yet: those since the last save, about one
/// second, within the budget. Any thread.
class SessionBook {
public:
    using Numbers = std::map<SessionName, std::uint64_t>;  ///< unauthenticated sessions first

    /// Records the larger number of each session. Above the limit of sessions, unauthenticated ones are dropped first.
    /// A dropped session keeps the older number of the table, so its device repeats items and loses none.
    void note(const std::vector<Watermark>& marks);
    void limit(std::uint64_t max);
    /// Returns nullopt if only the table has the answer.
    [[nodiscard]] std::optional<std::uint64_t> seq_of(const SessionName& name) const;

    // Called by one thread. Numbers remain visible until they are saved.
    [[nodiscard]] const Numbers& begin_saving();
    void end_saving(bool saved);

private:
    void keep(const SessionName& name, std::uint64_t seq);

    mutable std::mutex mutex_;
    std::uint64_t max_sessions_ = SessionBudget{}.overall;  // guarded by mutex_
    Numbers fresh_;                                         // guarded by mutex_
    Numbers saving_;                                        // changed under mutex_, by the saving thread
};

/// The table of sessions in spool.db: the last number of each, within a budget for each id and one for all. Owns its
/// statements. The caller serializes calls and owns the transaction around them.
class SessionTable {
public:
    /// Creates the table if the file has none, and imports the sessions of a version that did not record
    /// authentication. An imported session counts for both kinds until each kind has its own number.
    [[nodiscard]] static std::optional<DbError> make(Database& database);
    /// Sets the time of sessions that were used later than `now` to `now`.
    [[nodiscard]] static std::optional<DbError> bound_times(Database& database, WallTime now);
    [[nodiscard]] static std::uint64_t check_of(const SessionName& name, std::uint64_t seq);

    [[nodiscard]] std::optional<DbError> prepare(Database& database);

    // The following run inside a transaction, which the caller must roll back if one of them returns false.
    /// Stores a number unless the table has a larger one, and drops the id's least recently used sessions above the
    /// budget.
    [[nodiscard]] bool store(const SessionName& name, std::uint64_t seq, WallTime now, const SessionBudget& budget);
    /// Drops the least recently used sessions above the budget, unauthenticated ones first.
    [[nodiscard]] bool trim(const SessionBudget& budget);
    [[nodiscard]] bool forget(WallTime before);  ///< drops sessions that were last used before that time

    void committed();
    void rolled_back();
    [[nodiscard]] const SessionFigures& figures() const { return figures_; }

private:
    [[nodiscard]] bool count();
    [[nodiscard]] bool trim_id(const SessionName& name, const SessionBudget& budget);
    [[nodiscard]] bool drop_oldest(bool authenticated, std::uint64_t max);
    [[nodiscard]] std::uint64_t changes() const;

    Database* database_ = nullptr;
    Statement update_;
    Statement insert_;
    Statement trim_id_;
    Statement drop_oldest_;
    Statement forget_;
    Statement forget_former_;
    Statement count_;
    bool counted_ = false;    // figures_ has the numbers of the table
    SessionFigures figures_;  // including the transaction in progress
    SessionFigures before_;   // as of the last commit
};

}  // namespace holdfast
