#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include <holdfast/status.h>

namespace holdfast {

/// Stores the latest closed connections of all reactors; queries return the newest first. Bounded; any thread.
class ClosedHistory {
public:
    explicit ClosedHistory(std::size_t capacity) : capacity_(capacity) {}

    void add(ClosedLife life);
    [[nodiscard]] std::vector<ClosedLife> find(const ClosedQuery& query) const;

private:
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    std::vector<ClosedLife> ring_;  // guarded by mutex_; grows to capacity_, then overwrites the oldest
    std::size_t next_ = 0;          // guarded by mutex_
};

}  // namespace holdfast
