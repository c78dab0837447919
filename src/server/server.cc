#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include <holdfast/server.h>

#include "base/check.h"
#include "base/memory_reserve.h"
#include "base/system_failure.h"
#include "base/wall_line.h"
#include "codec/framing.h"
#include "model/counter_rows.h"
#include "server/active_config.h"
#include "server/connection_list.h"
#include "server/drains.h"
#include "server/inspection.h"
#include "server/listeners.h"
#include "server/reactor_thread.h"
#include "server/reconfiguration.h"
#include "server/validate.h"

namespace holdfast {

namespace {

constexpr std::size_t other_descriptors = 64;  // of the program
// Initial size of the descriptor table, half a megabyte at most. A gateway with more connections waits for its
// doubling.
constexpr std::size_t descriptors_at_once = 65'536;

using std::chrono::milliseconds;

ShardOptions shard_options(unsigned reactor, const ServerConfig& config, const std::vector<ListenerPolicy>& policies) {
    return {.reactor = reactor,
            .max_connections = table_capacity(config.limits),
            .max_unfinished = max_unfinished_bytes(config.item),
            .policies = policies,
            .observed = config.observed,
            .canaries = config.canaries,
            .rates = {config.limits.items_per_second, config.limits.bytes_per_second}};
}

}  // namespace

/// Owns the parts in the order of their dependencies, and destroys them in reverse.
class Server::Impl {
public:
    explicit Impl(Running first)
        : run_(draw_run()),
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

    [[nodiscard]] std::optional<Error> start(unsigned reactors, std::vector<BoundListener> bound,
                                             const HandlerFactory& make_handler);
    void report_certificates();
    void introduce(ReactorThread& thread);
    void drain_until(SteadyTime deadline) {
        draining_.store(true, std::memory_order_relaxed);
        for (const auto& thread : threads_) {
            StopTask task{.deadline = deadline};
            if (deadline > clock_.steady()) report_stop(task, thread->pipeline(), running_.get()->config.drain_time);
            thread->post([task = std::move(task)](Shard& shard) { shard.drain(task); });
        }
    }
    void wait() {
        for (const auto& thread : threads_) thread->wait();
    }

    [[nodiscard]] ServerStatus status() const;
    [[nodiscard]] const Device* device_of(const Connection& connection, Shard& shard) const;
    [[nodiscard]] bool is_listed(const Connection& connection, Shard& shard, const ConnectionQuery& query) const;
    [[nodiscard]] const Pipeline& pipeline_of(Shard& shard) const {
        return threads_[shard.registry().reactor()]->pipeline();
    }
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

    const SystemClock clock_;
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

std::optional<Error> Server::Impl::start(unsigned reactors, std::vector<BoundListener> bound,
                                         const HandlerFactory& make_handler) {
    Running running = *running_.get();
    const ServerConfig& config = running.config;
    std::vector<ListenerPolicy> policies;
    std::vector<PipelineListener> listeners;
    for (const RunningListener& listener : running.listeners) {
        policies.push_back(listener.policy(config.limits));
        listeners.push_back(pipeline_listener(listener.config, listener.tokens));
    }
    for (unsigned i = 0; i < reactors; ++i) {
        auto pipeline = std::make_unique<Pipeline>(
            Pipeline::Options{.run = run_, .listeners = listeners, .item = config.item, .clock = &clock_},
            make_handler(i), Pipeline::Shared{history_, bad_items_, notices_});
        threads_.push_back(std::make_unique<ReactorThread>(clock_, admission_, shard_options(i, config, policies),
                                                           std::move(pipeline)));
        Shard& shard = threads_.back()->shard();
        for (std::size_t j = 0; j < bound.size(); ++j) {
            shard.add_listener(std::move(bound[j].sockets[i]));
            running.listeners[j].counters.push_back(shard.listener_counters()[j]);
        }
    }
    if (auto error = cannot_acknowledge(config, threads_.front()->pipeline())) return error;
    running_.set(std::move(running));
    for (const auto& thread : threads_) introduce(*thread);
    for (unsigned i = 0; i < reactors; ++i) threads_[i]->start(i);
    return std::nullopt;
}

void Server::Impl::report_certificates() {
    const auto running = running_.get();
    for (const RunningListener& listener : running->listeners) {
        if (listener.tls == nullptr) continue;
        for (const std::string& warning : listener.tls->warnings()) {
            notices_.tell({Notice::Kind::certificate, listener.config.name, warning});
        }
    }
}

/// Connects the thread's pipeline with the device index, before the thread runs.
void Server::Impl::introduce(ReactorThread& thread) {
    thread.pipeline().know_devices(
        {.directory = &directory_,
         .shard = &thread.shard(),
         .durable = nullptr,
         .post = thread.line(),
         .supersede = [this](Token former,
                             std::function<void()> done) { supersede(threads_, former, std::move(done)); },
         .confirm = [this](Token holder,
                           std::function<void(bool)> done) { confirm(threads_, holder, std::move(done)); }});
}

ServerStatus Server::Impl::status() const {
    ServerStatus status;
    status.uptime = std::chrono::floor<milliseconds>(clock_.steady() - started_);
    status.started_at = by_present_clock(started_, started_at_, clock_);
    status.reactors = static_cast<unsigned>(threads_.size());
    status.max_connections = admission_.quota().max();
    status.buffer_bytes = admission_.buffers().used();
    status.buffer_budget = admission_.buffers().limit();
    status.buffer_stage = static_cast<unsigned>(admission_.buffers().stage());
    status.memory_exhausted = admission_.buffers().times_exhausted();
    status.draining = draining_.load(std::memory_order_relaxed);
    for (const auto& thread : threads_) {
        add_figures(status, thread->shard().counters());
        status.events += thread->pipeline().events_given().get();
        status.turns.push_back(thread->turns());
    }
    status.duplicates = directory_.duplicates(clock_.steady());
    drains_.add_to(status);
    status.listeners = status_of(*running_.get(), clock_.steady());
    return status;
}

const Device* Server::Impl::device_of(const Connection& connection, Shard& shard) const {
    if (!connection.is_identified()) return nullptr;
    return threads_[shard.registry().reactor()]->pipeline().device_of(shard.registry().number_of(connection));
}

/// Returns whether a list contains the connection. Each device appears once: superseded connections are left out.
bool Server::Impl::is_listed(const Connection& connection, Shard& shard, const ConnectionQuery& query) const {
    if (connection.is_opening()) return false;
    if (!is_between(query.since, shard.wall_of(connection.opened), query.until)) return false;
    const Device* device = device_of(connection, shard);
    if (device == nullptr) return !query.id;
    if (query.id && !matches_id(*query.id, device->id)) return false;
    return directory_.find(device->id) == shard.registry().number_of(connection);
}

Reconciler::Sources Server::Impl::reconcile_sources() {
    using OnKernelSocket = std::function<void(const KernelSocket&)>;
    return {.registry = [this] { return held_sockets(threads_); },
            .each_in_kernel =
                [this](const OnKernelSocket& take) { return each_kernel_socket(ports_of(*running_.get()), take); },
            .each_own = each_own_socket,
            .about = [this](Token number) { return about(number); },
            .listener_at = [this](const Endpoint& local) { return listener_at(*running_.get(), local); },
            .wait = [](milliseconds time) { std::this_thread::sleep_for(time); }};
}

std::optional<Discrepancy> Server::Impl::about(Token number) {
    const auto found = show({run_, number});
    if (!found) return std::nullopt;
    const ConnectionRow& row = found->row;
    return Discrepancy{.kind = {}, .listener = row.listener, .peer = row.peer, .conn = row.conn, .descriptor = -1};
}

template <typename T>
T Server::Impl::query_connection(ConnectionId id, T absent,
                                 std::function<void(Shard&, Connection&, Reply<T>)> question) const {
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

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(ServerConfig config, const HandlerFactory& make_handler) {
    if (const auto errors = validate(config); !errors.empty()) return errors.front();
    const unsigned reactors = effective_reactors(config);
    auto bound = bind_listeners(config.listeners, reactors);
    if (!bound) return bound.error();
    grow_descriptor_table(bound.value().front().sockets.front().get(),
                          std::min(effective_max_connections(config.limits) + other_descriptors, descriptors_at_once));
    auto first = first_running(std::move(config), bound.value());
    if (!first) return first.error();
    // The last exceptions before the reactors run: descriptors, threads, memory.
    try {
        auto impl = std::make_unique<Impl>(std::move(first).value());
        impl->report_certificates();
        if (auto error = impl->start(reactors, std::move(bound).value(), make_handler)) return *error;
        return std::unique_ptr<Server>(new Server(std::move(impl)));
    } catch (const std::system_error& failure) {
        return Error{"cannot start the reactors: " + describe(failure)};
    } catch (const std::bad_alloc&) {
        return Error{
            "cannot start the reactors: no memory; lower limits.max_connections or raise the process's limits"};
    }
}

void Server::drain() { impl_->drain_until(impl_->clock_.steady() + impl_->running_.get()->config.drain_time); }
void Server::stop_now() { impl_->drain_until(SteadyTime{}); }
void Server::memory_exhausted() noexcept { impl_->admission_.buffers().exhausted(); }
void Server::wait() { impl_->wait(); }

ServerStatus Server::status() const { return impl_->status(); }

void Server::note_duplicate(const DuplicateDevice& duplicate) {
    impl_->directory_.note_duplicate(duplicate, impl_->clock_.steady());
}

milliseconds Server::silence() const {
    milliseconds longest{0};
    const SteadyTime now = impl_->clock_.steady();
    for (const auto& thread : impl_->threads_) longest = std::max(longest, thread->silence(now));
    return longest;
}

std::vector<ClosedLife> Server::closed(const ClosedQuery& query) const { return closed_page(query).lives; }
ClosedPage Server::closed_page(const ClosedQuery& query) const { return impl_->history_.find(query); }
void Server::remember_closed(ClosedLife life) { impl_->history_.add(std::move(life)); }
void Server::restore_closed(std::vector<ClosedLife> lives) { impl_->history_.restore(std::move(lives)); }

BadItemPage Server::bad_items(const BadItemQuery& query) const { return impl_->bad_items_.find(query); }

ConnectionPage Server::list(const ConnectionQuery& query) const {
    auto lists = query_all<std::shared_ptr<ConnectionList>>(
        impl_->threads_, [this, &query](Shard& shard, Reply<std::shared_ptr<ConnectionList>> reply) {
            auto list = std::make_shared<ConnectionList>(query);
            shard.walk(
                [this, &query, list, &shard](Connection& connection) {
                    if (list->wants(connection, impl_->pipeline_of(shard).listener(connection.listener).name) &&
                        impl_->is_listed(connection, shard, query))
                        list->add(impl_->row_of(connection, shard));
                },
                [list, reply] { reply(list); });
        });
    ConnectionList all(query);
    for (auto& list : lists) {
        if (list) all.merge(std::move(*list));
    }
    return std::move(all).page();
}

std::optional<ConnectionDetail> Server::Impl::show(ConnectionId id) const {
    using Answer = std::optional<ConnectionDetail>;
    const auto question = [this](Shard& shard, Connection& connection, const Reply<Answer>& reply) {
        reply(detail_of(connection, shard, pipeline_of(shard), row_of(connection, shard)));
    };
    return query_connection<Answer>(id, std::nullopt, question);
}

std::optional<ConnectionDetail> Server::show(ConnectionId id) const { return impl_->show(id); }

std::optional<ProbeAnswer> Server::probe(ConnectionId id, milliseconds timeout) {
    using Answer = std::optional<ProbeAnswer>;
    return impl_->query_connection<Answer>(id, std::nullopt,
                                           [id, timeout](Shard& shard, Connection& connection, Reply<Answer> reply) {
                                               shard.probe(connection, timeout, [id, reply](ProbeFindings findings) {
                                                   findings.last.conn = id;
                                                   reply(findings.last);
                                               });
                                           });
}

ProbeSummary Server::probe_all(const std::optional<Prefix>& peer, milliseconds timeout, OnSilent on_silent,
                               std::optional<std::uint8_t> listener) {
    const SteadyTime began = impl_->clock_.steady();
    const auto findings = query_all<ProbeFindings>(
        impl_->threads_, [&peer, timeout, on_silent, listener](Shard& shard, Reply<ProbeFindings> reply) {
            const bool marks = on_silent == OnSilent::suspect;
            const auto wanted = [peer, listener, marks](const Connection& connection) {
                return (!peer || peer->contains(connection.peer.address)) &&
                       (!listener || *listener == connection.listener) && !(marks && connection.suspect);
            };
            const auto just_heard = marks ? ProbeRun::JustHeard::probe_soon : ProbeRun::JustHeard::is_alive;
            shard.probe_all(wanted, timeout, just_heard, [reply, timeout, marks, &shard](ProbeFindings found) {
                if (marks) shard.mark_suspects(found.silent, timeout);
                reply(std::move(found));
            });
        });
    ProbeSummary summary;
    for (const ProbeFindings& found : findings) {
        summary.asked += found.probed;
        summary.alive += found.alive;
        for (const Token number : found.silent) summary.silent.push_back({impl_->run_, number});
    }
    summary.waited = std::chrono::floor<milliseconds>(impl_->clock_.steady() - began);
    return summary;
}

Reconciliation Server::reconcile() { return impl_->reconciler_.run(); }
Observations Server::observe() { return take_observations(impl_->threads_); }
std::vector<CensusEntry> Server::census() const { return take_census(impl_->threads_); }
std::vector<IpAddress> Server::sample_peers(std::size_t max) const {
    return holdfast::sample_peers(impl_->threads_, max);
}

Result<ApplyReport> Server::apply(ServerConfig config) {
    const std::lock_guard lock(impl_->applying_);
    if (impl_->draining_.load(std::memory_order_relaxed)) {
        return Error{"cannot apply the configuration: the gateway is stopping"};
    }
    return apply_config({.clock = impl_->clock_,
                         .running = impl_->running_,
                         .admission = impl_->admission_,
                         .notices = impl_->notices_,
                         .threads = impl_->threads_},
                        config);
}

Result<DrainStatus> Server::drain_over(const DrainOrder& order) {
    if (impl_->draining_.load(std::memory_order_relaxed))
        return Error{"cannot drain: the gateway is stopping, and all connections end"};
    return impl_->drains_.begin(order, *impl_->running_.get());
}

std::optional<DrainStatus> Server::cancel_drain() { return impl_->drains_.cancel(); }

std::optional<ConnectionId> Server::find(std::string_view device) const {
    const auto number = impl_->directory_.find(device);
    return number ? std::optional(ConnectionId{impl_->run_, *number}) : std::nullopt;
}

bool Server::close(ConnectionId id, CloseReason reason, std::string_view detail) {
    HOLDFAST_CHECK(kind_of(reason) == ReasonKind::policy);
    return impl_->query_connection<bool>(
        id, false, [reason, detail](Shard& shard, Connection& connection, const Reply<bool>& reply) {
            shard.close(connection, reason, detail);
            reply(true);
        });
}

std::size_t Server::close_all(const Prefix& peer) {
    const auto counts = query_all<std::size_t>(impl_->threads_, [&peer](Shard& shard, Reply<std::size_t> reply) {
        auto count = std::make_shared<std::size_t>(0);
        shard.walk(
            [peer, count, &shard](Connection& connection) {
                if (!peer.contains(connection.peer.address)) return;
                shard.close(connection, CloseReason::kicked);
                ++*count;
            },
            [count, reply] { reply(*count); });
    });
    std::size_t sum = 0;
    for (const std::size_t count : counts) sum += count;
    return sum;
}

SendOutcome Server::send(ConnectionId id, std::string_view json_object) {
    return impl_->query_connection<SendOutcome>(
        id, SendOutcome::no_such_connection,
        [this, json_object](Shard& shard, Connection& connection, const Reply<SendOutcome>& reply) {
            if (shard.is_unauthenticated(connection)) return reply(SendOutcome::no_such_connection);
            std::string framed;
            append_framed(framed, impl_->pipeline_of(shard).listener(connection.listener).rules(), json_object);
            reply(shard.send(connection, framed));
        });
}

Delivery Server::deliver(ConnectionId id, std::string_view json_object, milliseconds timeout) {
    return impl_->query_connection<Delivery>(
        id, Delivery::absent,
        [this, json_object, timeout](Shard& shard, Connection& connection, const Reply<Delivery>& reply) {
            if (shard.is_unauthenticated(connection)) return reply(Delivery::absent);
            std::string framed;
            append_framed(framed, impl_->pipeline_of(shard).listener(connection.listener).rules(), json_object);
            const SendOutcome outcome = shard.send(connection, framed);
            if (outcome == SendOutcome::no_such_connection) return reply(Delivery::absent);
            if (outcome == SendOutcome::queue_full) return reply(Delivery::queue_full);
            shard.when_acknowledged(
                shard.registry().number_of(connection), shard.time().steady + timeout,
                [reply](bool acknowledged) { reply(acknowledged ? Delivery::acked : Delivery::sent); });
        });
}

std::string_view version() noexcept { return HOLDFAST_VERSION; }

}  // namespace holdfast
