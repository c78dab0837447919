#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace holdfast {

/// The outcome of POST /v1/reload, as lists of lines.
struct ReloadResult {
    std::vector<std::string> errors;  ///< if not empty, nothing has changed
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
        std::string last_error = {};  ///< error of the latest reload; empty if it was applied or there was none
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

/// Reloads the configuration. Called by admin threads; blocks until it is done. Concurrent calls run one after the
/// other.
using Reload = std::function<ReloadResult()>;

}  // namespace holdfast
