#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace holdfast {

/// Orders the reactor's few timers by time: the sweep, a paused listener, a running probe. Connections have no timers;
/// the sweep checks them (docs/decisions/0002). One thread; the owner, or a test, advances the time.
class TimerQueue {
public:
    /// Runs `run` once at `when`. Timers cannot be cancelled; a timer whose work is done does nothing.
    void schedule(SteadyTime when, std::function<void()> run) { timers_.emplace(when, std::move(run)); }

    /// Runs the timers that are due at `now`. A timer scheduled by one of them waits for the next call.
    void advance_to(SteadyTime now);

    [[nodiscard]] std::optional<SteadyTime> next() const {
        return timers_.empty() ? std::nullopt : std::optional(timers_.begin()->first);
    }

private:
    std::multimap<SteadyTime, std::function<void()>> timers_;
};

/// Wakes a poller at a given time through a descriptor (timerfd_create(2)). A timeout for each epoll_wait(2) would
/// create and cancel a kernel timer. If devices send one item at a time, that costs an eighth of an item
/// (docs/explanation/performance.md). One thread.
class WakeTimer {
public:
    /// Throws std::system_error.
    WakeTimer();

    /// Arms the timer to expire once after `from_now`, at least 1 ns, and replaces the previous expiry.
    void set(std::chrono::nanoseconds from_now);

    /// Returns the descriptor for an edge-triggered poller. The caller need not read it.
    [[nodiscard]] int fd() const noexcept { return timer_.get(); }

private:
    UniqueFd timer_;
};

}  // namespace holdfast
