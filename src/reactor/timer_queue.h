#pragma once

#include <functional>
#include <map>
#include <optional>

#include "base/clock.h"

namespace holdfast {

/// The reactor's few timers, in order of time: the sweep, a paused listener, a running probe. Connections have none;
/// the sweep looks at them (docs/decisions/0002). One thread; the owner moves time, tests too.
class TimerQueue {
public:
    /// Runs `run` once at `when`. There is no cancelling: a timer that finds its work done does nothing.
    void schedule(SteadyTime when, std::function<void()> run) { timers_.emplace(when, std::move(run)); }

    /// Runs what is due at `now`; what a timer schedules for `now` or before waits for the next call.
    void advance_to(SteadyTime now);

    [[nodiscard]] std::optional<SteadyTime> next() const {
        return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first);
    }

private:
    std::multimap<SteadyTime, std::function<void()>> timers_;
};

}  // namespace holdfast
