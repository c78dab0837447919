#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spool/spool.h"

namespace holdfast {

/// The last durable numbers of sessions that the table does not have yet: those of the last second or so. Any thread.
class SessionBook {
public:
    using Numbers = std::map<std::pair<std::string, std::string>, std::uint64_t>;  ///< by id and session

    void note(const std::vector<SessionMark>& marks);
    /// Nothing: only the table can know.
    [[nodiscard]] std::optional<std::uint64_t> seq_of(const std::string& id, const std::string& session) const;

    // One thread: what is to be saved now stays known until it is.
    [[nodiscard]] const Numbers& begin_saving();
    void end_saving(bool saved);

private:
    mutable std::mutex mutex_;
    Numbers fresh_;   // guarded by mutex_
    Numbers saving_;  // changed under mutex_, by the thread that saves
};

}  // namespace holdfast
