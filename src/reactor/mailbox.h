#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

#include "base/fork_guard.h"
#include "base/unique_fd.h"

namespace holdfast {

/// Queues work from other threads for one reactor's thread, in order. Any thread may call post(); the other members
/// belong to the reactor's thread. After close_and_drain() post() fails, so that accepted work runs exactly once.
class Mailbox {
public:
    using Work = std::function<void()>;

    /// Throws std::system_error.
    Mailbox();

    /// Returns false if the mailbox is closed, or of the parent of this process; the work was not taken.
    [[nodiscard]] bool post(Work work);

    /// Returns true if run() has work. Any thread may add some at any time.
    [[nodiscard]] bool has_work();
    /// Runs up to `limit` items. Returns true if more are waiting.
    bool run(std::size_t limit);
    void close_and_drain();

    /// Returns the descriptor that is readable while work waits. The reactor polls it.
    [[nodiscard]] int fd() const noexcept { return wake_.get(); }

private:
    void refill();

    const unsigned generation_ = fork_generation();
    UniqueFd wake_;
    std::mutex mutex_;
    std::vector<Work> posted_;  // guarded by mutex_
    bool closed_ = false;       // guarded by mutex_
    std::vector<Work> taken_;
    std::size_t next_ = 0;  // in taken_
};

}  // namespace holdfast
