#pragma once

#include <chrono>

#include "base/unique_fd.h"

namespace holdfast {

/// A timer that a poller waits for as for a socket (timerfd_create(2)). It is set when the next time changes, not with
/// every wait: a time-out handed to epoll_wait(2) is a kernel timer made and cancelled at each waking, an eighth of
/// what an item costs where devices speak one at a time (docs/explanation/performance.md). One thread.
class WakeTimer {
public:
    /// Throws std::system_error.
    WakeTimer();

    /// Readable once, after this long; what was set before is forgotten. Not below a nanosecond.
    void set(std::chrono::nanoseconds from_now);

    /// For the poller, edge-triggered: it need not be read.
    [[nodiscard]] int fd() const noexcept { return timer_.get(); }

private:
    UniqueFd timer_;
};

}  // namespace holdfast
