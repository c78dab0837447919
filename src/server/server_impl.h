#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "base/clock.h"
#include "base/fork_guard.h"
#include "codec/framing.h"
#include "server/active_config.h"
#include "server/drains.h"
#include "server/inspection.h"
#include "server/kept_state.h"
#include "server/listeners.h"
#include "server/reactor_thread.h"

namespace holdfast {

/// The takeover of a start, once it is known. Any thread.
class TakeoverNote {
public:
    /// Keeps the first one.
    void set(const Takeover& takeover) {
        const std::lock_guard lock(mutex_);
        if (!takeover_) takeover_ = takeover;
    }
    [[nodiscard]] std::optional<Takeover> get() const {
        const std::lock_guard lock(mutex_);
        return takeover_;
    }

private:
    mutable std::mutex mutex_;
    std::optional<Takeover> takeover_;  // guarded by mutex_
};

/// Owns the parts in the order of their dependencies, and destroys them in reverse.
class HOLDFAST_INTERNAL Server::Impl {
public:
    /// Keeps the state in `kept`, if it is not null.
    Impl(Running first, std::unique_ptr<KeptState> kept)
        : kept_(std::move(kept)),
          run_(kept_ && kept_->shape() ? kept_->shape()->run : draw_run()),
          admission_(effective_max_connections(first.config.limits)),
          history_(first.config.closed_history),
          notices_(first.config.on_notice),
          reconciler_(clock_, reconcile_sources()),
          running_(std::move(first)) {
        const LimitsConfig limits = running_.get()->config.limits;
        admission_.set(limits, effective_max_connections(limits));
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { drain_until(SteadyTime{}); }

    /// Takes sockets from `bound`. After an error or an exception no reactor runs.
    [[nodiscard]] std::optional<Error> start(Server& server, unsigned reactors, std::vector<BoundListener>& bound,
                                             const HandlerFactory& make_handler);
    void start_threads();
    [[nodiscard]] std::optional<Error> begin_keeping(unsigned reactors, const std::vector<BoundListener>& bound,
                                                     Running& running);
    [[nodiscard]] ShardOptions options_of(unsigned reactor, const std::vector<ListenerPolicy>& policies);
    void report_certificates();
    void introduce(ReactorThread& thread, Server& server);
    /// Returns true in a child of fork(2), where the threads of this object do not exist.
    [[nodiscard]] bool is_of_parent() const noexcept { return generation_ != fork_generation(); }
    void drain_until(SteadyTime deadline) {
        draining_.store(true, std::memory_order_relaxed);
        for (const auto& thread : threads_) {
            StopTask task{.deadline = deadline};
            if (deadline > clock_.steady()) report_stop(task, thread->pipeline(), running_.get()->config.drain_time);
            thread->post([task = std::move(task)](Shard& shard) { shard.drain(task); });
        }
    }
    void wait() {
        refuse_on_reactor(run_);
        for (const auto& thread : threads_) thread->wait();
    }
    bool post(ConnectionId id, ReactorContext::Work work) {
        refuse_empty(!work, "post()");
        ReactorThread* const thread = thread_of(id);
        return thread != nullptr && thread->post_work(std::move(work));
    }
    [[nodiscard]] std::optional<ConnectionId> find(std::string_view device) const {
        const auto number = directory_.find(device);
        return number ? std::optional(ConnectionId{run_, *number}) : std::nullopt;
    }
    void send_many(std::span<const ConnectionId> ids, std::string_view bytes);

    [[nodiscard]] ServerStatus status() const;
    [[nodiscard]] const Device* device_of(const Connection& connection, Shard& shard) const;
    [[nodiscard]] bool is_listed(const Connection& connection, Shard& shard, const ConnectionQuery& query) const;
    [[nodiscard]] Pipeline& pipeline_of(Shard& shard) const { return threads_[shard.registry().reactor()]->pipeline(); }
    [[nodiscard]] ConnectionRow row_of(const Connection& connection, Shard& shard) const {
        return holdfast::row_of(connection, shard, pipeline_of(shard), device_of(connection, shard), run_);
    }
    /// Returns the thread that holds the connection, or nullptr if the id is of another run.
    [[nodiscard]] ReactorThread* thread_of(ConnectionId id) const {
        const unsigned reactor = Registry::reactor_of(id.number);
        return id.run == run_ && reactor < threads_.size() ? threads_[reactor].get() : nullptr;
    }
    [[nodiscard]] Reconciler::Sources reconcile_sources();
    [[nodiscard]] std::optional<ConnectionDetail> show(ConnectionId id) const;
    [[nodiscard]] std::optional<Discrepancy> about(Token number);
    /// Queries the connection's reactor; returns `absent` if it has ended. `question` runs on that reactor's thread and
    /// must reply once.
    template <typename T>
    [[nodiscard]] T query_connection(ConnectionId id, T absent,
                                     std::function<void(Shard&, Connection&, Reply<T>)> question) const;

    const unsigned generation_ = fork_generation();
    const SystemClock clock_;
    std::unique_ptr<KeptState> kept_;  // null: nothing outlives the process
    std::vector<Heritage> heritage_;   // by reactor; empty: there is no earlier process
    mutable TakeoverNote takeover_;
    const std::uint32_t run_;
    const SteadyTime started_ = clock_.steady();
    const WallTime started_at_ = clock_.wall();
    Admission admission_;
    ClosedHistory history_;
    BadItemHistory bad_items_;
    DeviceIndex directory_;
    NoticeLimiter notices_;
    Reconciler reconciler_;
    std::atomic<bool> draining_{false};
    ActiveConfig running_;
    std::mutex applying_;  // held while a new configuration is applied
    std::vector<std::unique_ptr<ReactorThread>> threads_;
    Drains drains_{clock_, threads_};
};

template <typename T>
T Server::Impl::query_connection(ConnectionId id, T absent,
                                 std::function<void(Shard&, Connection&, Reply<T>)> question) const {
    refuse_on_reactor(run_);
    ReactorThread* thread = thread_of(id);
    if (thread == nullptr) return absent;
    const Reply<T> reply;
    auto answer = reply.future();
    const bool taken = thread->post([&absent, &question, number = id.number, reply](Shard& shard) {
        Connection* connection = shard.registry().find(number);
        if (connection != nullptr && !connection->is_opening()) return question(shard, *connection, reply);
        shard.counters().stale_commands.increment();
        reply(absent);
    });
    return taken ? answer.get() : absent;
}

}  // namespace holdfast
