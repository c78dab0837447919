#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace holdfast {

/// Priority of an HTTP server's threads, below those of the reactors: if processor time is short, monitoring waits.
inline constexpr int server_niceness = 10;

/// Threads that run blocking jobs in order: at most `active` at once, and at most `aside` more that wait in
/// wait_aside(). Starts threads as they are needed. Owns them, from the constructor to stop(). Any thread.
class WorkerPool {
public:
    struct Limits {
        std::size_t active = 8;
        std::size_t aside = 32;
        std::size_t waiting = 64;  ///< jobs without a thread
    };

    /// Throws std::system_error if the system provides no thread at all.
    explicit WorkerPool(const Limits& limits);
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;
    ~WorkerPool() { stop(); }

    /// Returns false if too many jobs wait, or after stop(): the job will not run.
    [[nodiscard]] bool run(std::function<void()> job);

    /// Calls `is_done`, which returns within 100 ms, until it returns true. Another job runs during the wait. Returns
    /// false without a call of `is_done` if too many jobs wait. Within a job.
    [[nodiscard]] bool wait_aside(const std::function<bool()>& is_done);

    /// Returns when the running jobs have ended; waiting jobs are dropped. A second call does nothing.
    void stop();

private:
    void work();
    void start_one();        // under mutex_
    void start_if_needed();  // under mutex_

    const Limits limits_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;  // guarded by mutex_, as all that follows
    std::size_t active_ = 0;
    std::size_t aside_ = 0;
    std::size_t idle_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace holdfast
