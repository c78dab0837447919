#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <holdfast/status.h>

#include "base/clock.h"
#include "conn/shard.h"
#include "pipeline/pipeline.h"
#include "reactor/reactor.h"
#include "server/reactor_context.h"

namespace holdfast {

/// Owns one reactor with its shard, its pipeline and its thread. Ends when its shard has drained; joined by wait() or
/// the destructor.
class ReactorThread {
public:
    ReactorThread(const Clock& clock, Admission& admission, const ShardOptions& shard,
                  std::unique_ptr<Pipeline> pipeline);
    ReactorThread(const ReactorThread&) = delete;
    ReactorThread& operator=(const ReactorThread&) = delete;
    ~ReactorThread();

    [[nodiscard]] Shard& shard() { return shard_; }            ///< before start(), or its counters
    [[nodiscard]] Pipeline& pipeline() { return *pipeline_; }  ///< on its thread, except events_given()

    /// Sets what the context needs of the server; once before start().
    void know_server(ContextParts parts) {
        run_ = parts.run;
        auto state = std::make_unique<ReactorContext::Impl>(std::move(parts));
        context_state_ = state.get();
        context_ = std::make_unique<ReactorContext>(std::move(state));
    }
    /// Throws Misuse on a reactor's thread of this server: a wait for another reactor might never end.
    void refuse_reactors() const { refuse_on_reactor(run_); }
    /// Starts the thread, which waits for `may_run` and ends at once if it is false.
    void start(unsigned number, std::shared_future<bool> may_run);
    /// Binds the reactor to the calling thread instead, which runs its turns, for a simulation.
    void begin_here();
    [[nodiscard]] ReactorContext& context() { return *context_; }  ///< on its thread
    /// Waits for the end of the thread. Any other thread, also several.
    void wait();

    /// Runs `work` on the reactor's thread. Returns false if it has ended. Any thread.
    bool post(std::function<void(Shard&)> work) {
        return reactor_.post([this, run = std::move(work)] { run(shard_); });
    }

    /// Runs the embedding program's work there. Returns false if the reactor has ended. Any thread.
    bool post_work(ReactorContext::Work work) {
        return reactor_.post([this, run = std::move(work)] { run(*context_); });
    }

    /// Returns how long the reactor has owed the answer to an earlier call. If it owes none, pings it and returns zero.
    /// Any thread; never waits.
    [[nodiscard]] std::chrono::milliseconds silence(SteadyTime now);

    /// Returns the durations of the reactor's turns. Any thread.
    [[nodiscard]] TurnStatus turns() const;

    /// Returns a function that runs work on this reactor's thread. Any thread; may be kept beyond its end,
    /// when it does nothing.
    [[nodiscard]] std::function<void(std::function<void()>)> line();

private:
    /// Part that outlives the object.
    struct Line {
        std::mutex mutex;
        ReactorThread* thread;  // guarded by mutex
    };

    const std::shared_ptr<Line> line_;
    std::mutex pulse_mutex_;
    SteadyTime questioned_at_;  // guarded by pulse_mutex_
    std::atomic<bool> owes_answer_{false};
    std::uint32_t run_ = 0;
    std::mutex joining_;
    std::unique_ptr<ReactorContext> context_;  // outlives the handler in pipeline_
    ReactorContext::Impl* context_state_ = nullptr;
    std::unique_ptr<Pipeline> pipeline_;
    Reactor reactor_;
    Shard shard_;
    std::thread thread_;
};

/// Carries one answer from a reactor's thread to the waiting thread. Call it once. Copies share the answer.
template <typename T>
class Reply {
public:
    void operator()(T answer) const { promise_->set_value(std::move(answer)); }
    [[nodiscard]] std::future<T> future() const { return promise_->get_future(); }

private:
    std::shared_ptr<std::promise<T>> promise_ = std::make_shared<std::promise<T>>();
};

/// Queries `thread` and returns the future answer, or T{} if the reactor has ended. Throws Misuse on a reactor's
/// thread.
template <typename T>
[[nodiscard]] std::future<T> query(ReactorThread& thread, std::function<void(Shard&, Reply<T>)> question) {
    thread.refuse_reactors();
    const Reply<T> reply;
    auto answer = reply.future();
    if (!thread.post([question = std::move(question), reply](Shard& shard) { question(shard, reply); })) reply(T{});
    return answer;
}

/// Queries every thread and combines the answers in the order of the threads.
template <typename T>
[[nodiscard]] std::vector<T> query_all(const std::vector<std::unique_ptr<ReactorThread>>& threads,
                                       const std::function<void(Shard&, Reply<T>)>& question) {
    std::vector<std::future<T>> answers;
    for (const auto& thread : threads) answers.push_back(query<T>(*thread, question));
    std::vector<T> result;
    for (auto& answer : answers) result.push_back(answer.get());
    return result;
}

}  // namespace holdfast
