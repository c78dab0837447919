#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace holdfast {

/// What became of POST /v1/reload; one line each.
struct ReloadResult {
    std::vector<std::string> errors;  ///< not empty: nothing has changed
    std::vector<std::string> applied;
    std::vector<std::string> needs_restart;
    std::vector<std::string> warnings;
};

/// Counts reloads and keeps the latest error. Any thread.
class ReloadMeter {
public:
    struct Figures {
        std::uint64_t applied = 0;
        std::uint64_t refused = 0;
        std::string last_error = {};  ///< of the latest reload; empty: it was applied, or there was none
    };

    void count(const ReloadResult& result) {
        const std::lock_guard lock(mutex_);
        ++(result.errors.empty() ? figures_.applied : figures_.refused);
        figures_.last_error = result.errors.empty() ? std::string() : result.errors.front();
    }
    [[nodiscard]] Figures figures() const {
        const std::lock_guard lock(mutex_);
        return figures_;
    }

private:
    mutable std::mutex mutex_;
    Figures figures_;  // guarded by mutex_
};

/// Called on admin threads; blocks until it is done. Concurrent calls take turns.
using Reload = std::function<ReloadResult()>;

}  // namespace holdfast
