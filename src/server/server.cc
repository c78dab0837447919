#include <algorithm>
#include <atomic>
#include <exception>
#include <future>
#include <mutex>
#include <new>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <holdfast/server.h>

#include "base/fork_guard.h"
#include "base/memory_reserve.h"
#include "base/system_failure.h"
#include "base/wall_line.h"
#include "codec/framing.h"
#include "model/counter_rows.h"
#include "server/active_config.h"
#include "server/connection_list.h"
#include "server/drains.h"
#include "server/factories.h"
#include "server/inspection.h"
#include "server/kept_listeners.h"
#include "server/listeners.h"
#include "server/reactor_thread.h"
#include "server/reconfiguration.h"
#include "server/server_impl.h"
#include "server/validate.h"

namespace holdfast {

namespace {

constexpr std::size_t other_descriptors = 64;  // of the program
// Initial size of the descriptor table, half a megabyte at most. A gateway with more connections waits for its
// doubling.
constexpr std::size_t descriptors_at_once = 65'536;

using std::chrono::milliseconds;

/// Runs the last part of a start, and explains its exceptions: descriptors, threads, memory.
std::optional<Error> explained(const std::function<std::optional<Error>()>& start) {
    try {
        return start();
    } catch (const std::system_error& failure) {
        return Error{"cannot start the reactors: " + describe(failure), ErrorCode::out_of_resources};
    } catch (const std::bad_alloc&) {
        return Error{"cannot start the reactors: no memory; lower limits.max_connections or raise the process's limits",
                     ErrorCode::out_of_resources};
    }
}

/// Keeps a server that could not start for the rest of the process: its destructor would close what the next process
/// takes over.
void abandon(std::unique_ptr<Server> server) {
    static std::mutex mutex;
    static auto& all = *new std::vector<std::unique_ptr<Server>>;
    const std::lock_guard lock(mutex);
    all.push_back(std::move(server));
}

}  // namespace

/// Prepares the kept state for the reactors: notes the listeners, and what an earlier process left.
std::optional<Error> Server::Impl::begin_keeping(unsigned reactors, const std::vector<BoundListener>& bound,
                                                 Running& running) {
    if (!kept_) return std::nullopt;
    if (kept_->shape()) {
        heritage_ = heritage_of(*kept_, running, clock_.steady());
        add_former_addresses(*kept_, running);
    } else if (!kept_->begin({run_, reactors, table_capacity(running.config.limits)})) {
        return Error{"cannot keep the connections: no memory; set keeper = false in [process]",
                     ErrorCode::out_of_resources};
    }
    note_listeners(*kept_, running, bound);
    return std::nullopt;
}

ShardOptions Server::Impl::options_of(unsigned reactor, const std::vector<ListenerPolicy>& policies) {
    ShardOptions options = shard_options(reactor, running_.get()->config, policies);
    if (!kept_) return options;
    options.max_connections = kept_->shape()->capacity;
    options.kept = kept_->shard(reactor);
    options.kept.heritage = heritage_.empty() ? nullptr : &heritage_[reactor];
    return options;
}

/// Starts all threads or none, so that no reactor takes connections over in a start that fails.
void Server::Impl::start_threads() {
    struct Gate {
        ~Gate() { may_run.set_value(all_started); }
        std::promise<bool> may_run;
        bool all_started = false;
    } gate;
    const std::shared_future<bool> answer = gate.may_run.get_future().share();
    for (unsigned i = 0; i < threads_.size(); ++i) threads_[i]->start(i, answer);
    gate.all_started = true;
}

std::optional<Error> Server::Impl::start(Server& server, unsigned reactors, std::vector<BoundListener>& bound,
                                         const HandlerFactory& make_handler) {
    Running running = *running_.get();
    const ServerConfig& config = running.config;
    if (auto error = begin_keeping(reactors, bound, running)) return error;
    std::vector<ListenerPolicy> policies;
    for (const RunningListener& listener : running.listeners) policies.push_back(listener.policy(config.limits));
    for (unsigned i = 0; i < reactors; ++i) {
        auto handler = made_by_program<EventHandler>("the handler of reactor " + std::to_string(i), make_handler, i);
        if (!handler) return handler.error();
        std::vector<PipelineListener> listeners;
        for (const RunningListener& listener : running.listeners) listeners.push_back(listener.pipeline(i));
        auto pipeline = std::make_unique<Pipeline>(
            Pipeline::Options{.run = run_, .listeners = std::move(listeners), .item = config.item, .clock = &clock_},
            std::move(handler).value(), Pipeline::Shared{history_, bad_items_, notices_});
        threads_.push_back(
            std::make_unique<ReactorThread>(clock_, admission_, options_of(i, policies), std::move(pipeline)));
        Shard& shard = threads_.back()->shard();
        for (std::size_t j = 0; j < bound.size(); ++j) {
            shard.add_listener(std::move(bound[j].sockets[i]), bound[j].inherited);
            running.listeners[j].counters.push_back(shard.listener_counters()[j]);
        }
    }
    if (auto error = cannot_acknowledge(config, threads_.front()->pipeline())) return error;
    running_.set(std::move(running));
    for (const auto& thread : threads_) introduce(*thread, server);
    start_threads();
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

/// Connects the thread with the server and the device index, before the thread runs.
void Server::Impl::introduce(ReactorThread& thread, Server& server) {
    thread.know_server(
        {.shard = thread.shard(),
         .pipeline = thread.pipeline(),
         .run = run_,
         .post = [this](ConnectionId id, ReactorContext::Work work) { return post(id, std::move(work)); },
         .send_many = [this](std::span<const ConnectionId> ids, std::string_view bytes) { send_many(ids, bytes); },
         .find = [this](std::string_view device) { return find(device); },
         .server = &server});
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
    status.takeover = takeover_.get();
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

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
    if (impl_->is_of_parent()) {
        static_cast<void>(
            impl_.release());  // its threads do not exist here: nothing can be joined, or destroyed safely
        return;
    }
    try {
        refuse_on_reactor(impl_->run_);
    } catch (const Misuse&) {
        std::terminate();  // prints the text: a destructor has no other way
    }
    impl_->drain_until(SteadyTime{});
    impl_->wait();  // handlers may use the server until their end
}

Server::Impl& Server::impl() const {
    if (!impl_->is_of_parent()) return *impl_;
    throw Misuse(
        "cannot use a Server in a child of fork(), where its threads do not exist; start one in the child, or call "
        "exec()");
}

Result<std::unique_ptr<Server>> Server::start(ServerConfig config, const HandlerFactory& make_handler) {
    if (const auto errors = validate(config); !errors.empty()) return errors.front();
    auto kept = open_kept(config.kept_state);
    if (!kept) return kept.error();
    const KeptState* const former = kept.value() && kept.value()->shape() ? kept.value().get() : nullptr;
    const unsigned reactors = former != nullptr ? former->shape()->reactors : effective_reactors(config);
    auto bound = bind_listeners(config.listeners, reactors, kept.value().get());
    if (!bound) return bound.error();
    grow_descriptor_table(bound.value().front().sockets.front().get(),
                          std::min(effective_max_connections(config.limits) + other_descriptors, descriptors_at_once));
    std::vector<BoundListener> listeners = std::move(bound).value();
    auto first = first_running(std::move(config), listeners, reactors);
    std::unique_ptr<Server> server;
    const auto error = explained([&]() -> std::optional<Error> {
        if (!first) return first.error();
        guard_forks();
        server.reset(new Server(std::make_unique<Impl>(std::move(first).value(), std::move(kept).value())));
        server->impl_->report_certificates();
        return server->impl_->start(*server, reactors, listeners, make_handler);
    });
    if (!error) return server;
    leave_kept(listeners);
    if (former != nullptr && server) abandon(std::move(server));
    return *error;
}

void Server::drain() { impl().drain_until(impl().clock_.steady() + impl().running_.get()->config.drain_time); }
void Server::stop_now() { impl().drain_until(SteadyTime{}); }
void Server::memory_exhausted() noexcept { impl_->admission_.buffers().exhausted(); }
void Server::wait() { impl().wait(); }

ServerStatus Server::status() const { return impl().status(); }

ServerConfig Server::config() const {
    const auto running = impl().running_.get();
    ServerConfig config = running->config;
    config.listeners.clear();
    for (const RunningListener& listener : running->listeners) {
        if (!listener.leaving) config.listeners.push_back(listener.config);
    }
    return config;
}

void Server::note_duplicate(const DuplicateDevice& duplicate) {
    impl().directory_.note_duplicate(duplicate, impl().clock_.steady());
}

milliseconds Server::silence() const {
    milliseconds longest{0};
    const SteadyTime now = impl().clock_.steady();
    for (const auto& thread : impl().threads_) longest = std::max(longest, thread->silence(now));
    return longest;
}

std::vector<ClosedLife> Server::closed(const ClosedQuery& query) const { return closed_page(query).lives; }
ClosedPage Server::closed_page(const ClosedQuery& query) const { return impl().history_.find(query); }
void Server::remember_closed(ClosedLife life) { impl().history_.add(std::move(life)); }
void Server::restore_closed(std::vector<ClosedLife> lives) { impl().history_.restore(std::move(lives)); }

BadItemPage Server::bad_items(const BadItemQuery& query) const { return impl().bad_items_.find(query); }

ConnectionPage Server::list(const ConnectionQuery& query) const {
    auto lists = query_all<std::shared_ptr<ConnectionList>>(
        impl().threads_, [this, &query](Shard& shard, Reply<std::shared_ptr<ConnectionList>> reply) {
            auto list = std::make_shared<ConnectionList>(query);
            shard.walk(
                [this, &query, list, &shard](Connection& connection) {
                    if (list->wants(connection, impl().pipeline_of(shard).listener(connection.listener).name) &&
                        impl().is_listed(connection, shard, query))
                        list->add(impl().row_of(connection, shard));
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

std::optional<ConnectionDetail> Server::show(ConnectionId id) const { return impl().show(id); }

Reconciliation Server::reconcile() { return impl().reconciler_.run(); }
Observations Server::observe() { return take_observations(impl().threads_); }
std::vector<CensusEntry> Server::census() const { return take_census(impl().threads_); }
std::vector<IpAddress> Server::sample_peers(std::size_t max) const {
    return holdfast::sample_peers(impl().threads_, max);
}

std::optional<Takeover> Server::takeover() const {
    const Impl& server = impl();
    const std::uint64_t processes = server.kept_ ? server.kept_->processes() : 0;
    if (server.heritage_.empty() && processes == 0) return std::nullopt;
    Takeover sum{.processes = processes};
    for (const AdoptionCounts& each : query_all<AdoptionCounts>(
             server.threads_, [](Shard&shard, Reply<AdoptionCounts> reply) { reply(shard.adopted()); })) {
        sum.kept += each.kept;
        sum.closed += each.closed;
        sum.resynchronized += each.resynchronized;
        for (const Token number : each.cut) sum.cut.push_back({server.run_, number});
    }
    if (!server.heritage_.empty())
        sum.downtime = std::chrono::ceil<milliseconds>(server.clock_.steady() - server.heritage_.front().died_at);
    server.takeover_.set(sum);
    return sum;
}

Result<ApplyReport> Server::apply(ServerConfig config) {
    refuse_on_reactor(impl().run_);
    const std::lock_guard lock(impl().applying_);
    if (impl().draining_.load(std::memory_order_relaxed)) {
        return Error{"cannot apply the configuration: the gateway is stopping", ErrorCode::stopping};
    }
    return apply_config({.clock = impl().clock_,
                         .running = impl().running_,
                         .admission = impl().admission_,
                         .notices = impl().notices_,
                         .threads = impl().threads_,
                         .kept = impl().kept_.get()},
                        config);
}

Result<DrainStatus> Server::drain_over(const DrainOrder& order) {
    refuse_on_reactor(impl().run_);
    if (impl().draining_.load(std::memory_order_relaxed))
        return Error{"cannot drain: the gateway is stopping, and all connections end", ErrorCode::stopping};
    return impl().drains_.begin(order, *impl().running_.get());
}

std::optional<DrainStatus> Server::cancel_drain() {
    refuse_on_reactor(impl().run_);
    return impl().drains_.cancel();
}

std::optional<ConnectionId> Server::find(std::string_view device) const { return impl().find(device); }

inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

std::string_view version() noexcept { return HOLDFAST_VERSION; }

}  // namespace HOLDFAST_PUBLIC

}  // namespace holdfast
