#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

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
    std::uint64_t most_ = SessionBudget{}.overall;  // guarded by mutex_
    Numbers fresh_;                                 // guarded by mutex_
    Numbers saving_;                                // changed under mutex_, by the saving thread
};

}  // namespace holdfast
