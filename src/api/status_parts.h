#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forward/sink_status.h"
#include "sink/sink.h"
#include "watch/watch_view.h"

namespace holdfast {

/// Called on admin threads, several at once.
using SinkStatusProvider = std::function<SinkStatus()>;

/// The watch's part of /v1/status and /metrics.
struct WatchStatus {
    std::array<std::uint64_t, alarm_kind_count> alarms_active{};  ///< by AlarmKind
    std::optional<std::uint64_t> registry_drift;                  ///< nullopt: no reconciliation yet, or it failed
    SuspicionStatus suspicion;

    [[nodiscard]] std::uint64_t all_alarms_active() const {
        return std::accumulate(alarms_active.begin(), alarms_active.end(), std::uint64_t{0});
    }
};

[[nodiscard]] inline WatchStatus watch_status(WatchView& watch) {
    WatchStatus status;
    for (const Alarm& alarm : watch.alarms().active) ++status.alarms_active[static_cast<std::size_t>(alarm.kind)];
    const auto reconciled = watch.reconciled();
    if (reconciled && reconciled->error.empty()) status.registry_drift = reconciled->drift();
    status.suspicion = watch.suspicion();
    return status;
}

/// The outcome of a request to the admin API. `turned_away`: the client was rejected at the connection limit, and no
/// request was read.
enum class AdminOutcome : std::uint8_t { answered, refused, unauthorized, forbidden, failed, turned_away };

inline constexpr std::array<std::string_view, 6> admin_outcome_words{"answered",  "refused", "unauthorized",
                                                                     "forbidden", "failed",  "turned_away"};

/// Counts the outcomes of requests, over all endpoints. Any thread.
class AdminMeter {
public:
    void count(AdminOutcome outcome) { ++counts_[static_cast<std::size_t>(outcome)]; }

    void count_status(int status) {
        count(status < 400    ? AdminOutcome::answered
              : status == 401 ? AdminOutcome::unauthorized
              : status == 403 ? AdminOutcome::forbidden
              : status < 500  ? AdminOutcome::refused
                              : AdminOutcome::failed);
    }

    [[nodiscard]] std::uint64_t of(AdminOutcome outcome) const { return counts_[static_cast<std::size_t>(outcome)]; }

    /// Returns the counts by AdminOutcome.
    [[nodiscard]] std::array<std::uint64_t, admin_outcome_words.size()> counts() const {
        std::array<std::uint64_t, admin_outcome_words.size()> all{};
        for (std::size_t i = 0; i < all.size(); ++i) all[i] = counts_[i];
        return all;
    }

private:
    std::array<std::atomic<std::uint64_t>, admin_outcome_words.size()> counts_{};
};

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

/// The kernel's figures of this process, under the names that Prometheus clients use.
struct ProcessStatus {
    double start_time_s = 0;  ///< since 1970
    double cpu_s = 0;         ///< user and system, all threads
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;  ///< soft limit
    std::uint64_t resident_bytes = 0;
};

/// Reads proc(5), getrusage(2) and getrlimit(2). A value that cannot be read stays zero. Any thread.
[[nodiscard]] ProcessStatus read_process_status();

}  // namespace holdfast
