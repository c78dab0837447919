#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <holdfast/status.h>

#include "base/clock.h"
#include "conn/drain_run.h"
#include "server/active_config.h"
#include "server/reactor_thread.h"

namespace holdfast {

/// Makes a stop send `retry_after_ms` to the devices of the pipeline's reactor.
void report_stop(StopTask& task, Pipeline& pipeline, std::chrono::milliseconds drain_time);

/// Manages the drains that operators order, one at a time; the reactors carry them out. Any thread.
class Drains {
public:
    using ReactorThreads = std::vector<std::unique_ptr<ReactorThread>>;

    Drains(const Clock& clock, const ReactorThreads& threads) : clock_(clock), threads_(threads) {}

    /// Starts a drain and ends the current one where it is. On an error nothing changes.
    [[nodiscard]] Result<DrainStatus> begin(const DrainOrder& order, const Running& running);
    [[nodiscard]] std::optional<DrainStatus> cancel();

    void add_to(ServerStatus& status) const;

private:
    struct Latest {
        DrainOrder order;
        EventTime began_at;
        std::shared_ptr<DrainProgress> progress;
    };
    [[nodiscard]] static DrainStatus status_of(const Latest& latest);
    [[nodiscard]] DrainTask task_of(const Latest& latest, const Running& running) const;

    const Clock& clock_;
    const ReactorThreads& threads_;
    mutable std::mutex mutex_;
    std::optional<Latest> latest_;  // guarded by mutex_
    bool out_of_service_ = false;   // guarded by mutex_
};

}  // namespace holdfast
