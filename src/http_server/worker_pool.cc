#include "http_server/worker_pool.h"

#include <sys/resource.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/start_thread.h"

namespace holdfast {

WorkerPool::WorkerPool(const Limits& limits) : limits_(limits) {
    const std::lock_guard lock(mutex_);
    start_one();
}

void WorkerPool::start_one() {
    threads_.reserve(threads_.size() + 1);
    threads_.push_back(start_thread("admin", [this] { work(); }));
    ++idle_;
}

void WorkerPool::start_if_needed() {
    const std::size_t runnable = std::min(jobs_.size(), limits_.active - active_);
    if (stopping_ || runnable <= idle_ || threads_.size() >= limits_.active + limits_.aside) return;
    try {
        start_one();
    } catch (const std::system_error&) {
        // The job waits for an existing thread.
    }
}

bool WorkerPool::run(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= limits_.waiting) return false;
    jobs_.push_back(std::move(job));
    start_if_needed();
    changed_.notify_all();
    return true;
}

bool WorkerPool::wait_aside(const std::function<bool()>& is_done) {
    std::unique_lock lock(mutex_);
    if (aside_ >= limits_.aside) return false;
    ++aside_;
    --active_;
    start_if_needed();
    changed_.notify_all();
    while (!stopping_) {
        lock.unlock();
        const bool seen = is_done();
        lock.lock();
        if (seen) break;
    }
    changed_.wait(lock, [this] { return active_ < limits_.active; });
    ++active_;
    --aside_;
    return true;
}

void WorkerPool::work() {
    ::setpriority(PRIO_PROCESS, 0, server_niceness);  // of this thread: setpriority(2)
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || (!jobs_.empty() && active_ < limits_.active); });
        if (stopping_) return;
        const std::function<void()> job = std::move(jobs_.front());
        jobs_.pop_front();
        ++active_;
        --idle_;
        lock.unlock();
        job();
        lock.lock();
        --active_;
        ++idle_;
        changed_.notify_all();
    }
}

void WorkerPool::stop() {
    std::vector<std::thread> ended;
    std::deque<std::function<void()>> dropped;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        dropped.swap(jobs_);
        ended.swap(threads_);
    }
    changed_.notify_all();
    for (std::thread& thread : ended) thread.join();
}

}  // namespace holdfast
