#include <sys/random.h>
#include <sys/resource.h>

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include <holdfast/server.h>

#include "base/check.h"
#include "codec/framing.h"
#include "server/connection_list.h"
#include "server/inspection.h"
#include "server/listeners.h"
#include "server/validate.h"
#include "server/worker.h"

namespace holdfast {

namespace {

using std::chrono::milliseconds;

// Descriptors that are not connections: listeners, epoll, eventfds, the sink, the admin API and its clients.
constexpr std::size_t reserved_descriptors = 128;

std::size_t effective_max_connections(const ServerConfig& config) {
    if (config.limits.max_connections != 0) return config.limits.max_connections;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return Registry::max_connections;
    const auto descriptors = static_cast<std::size_t>(limit.rlim_cur);
    return descriptors > 2 * reserved_descriptors ? descriptors - reserved_descriptors
                                                  : std::max<std::size_t>(descriptors / 2, 1);
}

unsigned effective_reactors(const ServerConfig& config) {
    const unsigned wanted = config.reactors != 0 ? config.reactors : std::max(1U, std::thread::hardware_concurrency());
    return std::min(wanted, Registry::max_reactors);
}

std::uint32_t draw_run() {
    std::uint32_t run = 0;
    while (run == 0) HOLDFAST_CHECK(::getrandom(&run, sizeof run, 0) == sizeof run);
    return run;
}

ListenerPolicy policy_of(const ListenerConfig& listener, const LivenessPlan& plan, const LimitsConfig& limits) {
    return {.plan = plan,
            .read_idle = listener.read_idle,
            .write_stall = listener.write_stall,
            .item_deadline = listener.item_deadline,
            .downlink_queue = limits.downlink_queue};
}

}  // namespace

/// The parts, in the order in which they depend on each other; destroyed in the opposite order.
class Server::Impl {
public:
    Impl(ServerConfig config, std::vector<BoundListener> bound)
        : config_(std::move(config)),
          run_(draw_run()),
          quota_(effective_max_connections(config_)),
          history_(config_.closed_history),
          notices_(config_.listeners.size(), config_.on_notice),
          reconciler_(clock_, reconcile_sources()) {
        for (BoundListener& listener : bound) bound_.push_back(std::move(listener));
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { drain_until(SteadyTime{}); }

    void start(unsigned reactors, const HandlerFactory& make_handler);
    void drain_until(SteadyTime deadline) {
        draining_.store(true, std::memory_order_relaxed);
        for (const auto& worker : workers_) worker->post([deadline](Shard& shard) { shard.drain(deadline); });
    }
    void wait() {
        for (const auto& worker : workers_) worker->wait();
    }

    [[nodiscard]] ServerStatus status() const;
    [[nodiscard]] ListenerStatus status_of(std::size_t listener) const;
    [[nodiscard]] ConnectionRow row_of(const Connection& connection, Shard& shard) const;
    /// The worker that holds the connection, if it is one of this run.
    [[nodiscard]] Worker* worker_of(ConnectionId id) const {
        const unsigned reactor = Registry::reactor_of(id.number);
        return id.run == run_ && reactor < workers_.size() ? workers_[reactor].get() : nullptr;
    }
    [[nodiscard]] std::string listener_at(const Endpoint& local) const;
    [[nodiscard]] Reconciler::Sources reconcile_sources();
    /// Asks the connection's reactor; `absent` if it has ended. `question` runs on that reactor's thread and must reply
    /// once.
    template <typename T>
    [[nodiscard]] T ask_connection(ConnectionId id, T absent,
                                   std::function<void(Shard&, Connection&, Reply<T>)> question) const;

    ServerConfig config_;
    const SystemClock clock_;
    const std::uint32_t run_;
    const SteadyTime started_ = clock_.steady();
    const WallTime started_at_ = clock_.wall();
    std::vector<BoundListener> bound_;
    ConnectionQuota quota_;
    ClosedHistory history_;
    NoticeGate notices_;
    Reconciler reconciler_;
    std::atomic<bool> draining_{false};
    std::vector<std::unique_ptr<Worker>> workers_;
};

void Server::Impl::start(unsigned reactors, const HandlerFactory& make_handler) {
    std::vector<ListenerPolicy> policies;
    std::vector<PipelineListener> listeners;
    for (std::size_t i = 0; i < bound_.size(); ++i) {
        const ListenerConfig& listener = config_.listeners[i];
        policies.push_back(policy_of(listener, bound_[i].plan, config_.limits));
        listeners.push_back({listener.name, listener.framing, listener.max_bad_items});
    }
    const auto capacity = static_cast<std::uint32_t>(std::min<std::size_t>(quota_.max(), Registry::max_connections));
    for (unsigned i = 0; i < reactors; ++i) {
        auto pipeline =
            std::make_unique<Pipeline>(Pipeline::Options{.run = run_, .listeners = listeners, .item = config_.item},
                                       make_handler(i), history_, notices_);
        workers_.push_back(std::make_unique<Worker>(clock_, quota_,
                                                    ShardOptions{.reactor = i,
                                                                 .max_connections = capacity,
                                                                 .max_unfinished = max_unfinished_bytes(config_.item),
                                                                 .policies = policies,
                                                                 .observed = config_.observed,
                                                                 .canaries = config_.canaries},
                                                    std::move(pipeline)));
        for (BoundListener& listener : bound_) workers_.back()->shard().add_listener(std::move(listener.sockets[i]));
    }
    for (unsigned i = 0; i < reactors; ++i) workers_[i]->start(i);
}

ListenerStatus Server::Impl::status_of(std::size_t listener) const {
    ListenerStatus sum;
    sum.name = config_.listeners[listener].name;
    sum.number = static_cast<std::uint8_t>(listener);
    sum.bound = bound_[listener].address;
    sum.plan = bound_[listener].plan;
    for (const auto& worker : workers_) worker->shard().listener_counters()[listener]->add_to(sum);
    return sum;
}

ServerStatus Server::Impl::status() const {
    ServerStatus status;
    status.uptime = std::chrono::floor<milliseconds>(clock_.steady() - started_);
    status.started_at = started_at_;
    status.reactors = static_cast<unsigned>(workers_.size());
    status.max_connections = quota_.max();
    status.draining = draining_.load(std::memory_order_relaxed);
    for (const auto& worker : workers_) {
        const ShardCounters& counters = worker->shard().counters();
        status.reading_paused = status.reading_paused || counters.reading_paused.get() != 0;
        status.probes_alive += counters.probes_alive.get();
        status.probes_silent += counters.probes_silent.get();
        status.stale_commands += counters.stale_commands.get();
        status.events += worker->pipeline().events_given().get();
    }
    for (std::size_t i = 0; i < bound_.size(); ++i) status.listeners.push_back(status_of(i));
    return status;
}

ConnectionRow Server::Impl::row_of(const Connection& connection, Shard& shard) const {
    const TurnTime time = shard.time();
    const milliseconds age = time.tick.since(connection.opened);
    return {.conn = {run_, shard.registry().number_of(connection)},
            .listener = config_.listeners[connection.listener].name,
            .peer = connection.peer,
            .key = std::string(connection.key.view()),
            .connected_at = shard.wall_of(connection.opened),
            .age = age,
            .since_item = time.tick.since(connection.last_item),
            .items = connection.items,
            .bytes_in = connection.bytes_in,
            .bytes_out = connection.bytes_out};
}

std::string Server::Impl::listener_at(const Endpoint& local) const {
    for (std::size_t i = 0; i < bound_.size(); ++i) {
        if (bound_[i].address.port == local.port) return config_.listeners[i].name;
    }
    return {};
}

Reconciler::Sources Server::Impl::reconcile_sources() {
    return {.registry =
                [this] {
                    return held_sockets(workers_, run_,
                                        [this](std::uint8_t listener) { return config_.listeners[listener].name; });
                },
            .kernel =
                [this] {
                    std::set<std::uint16_t> ports;
                    for (const BoundListener& listener : bound_) ports.insert(listener.address.port);
                    return list_kernel_sockets(std::vector(ports.begin(), ports.end()));
                },
            .own_descriptors = own_sockets,
            .listener_at = [this](const Endpoint& local) { return listener_at(local); },
            .wait = [](milliseconds time) { std::this_thread::sleep_for(time); }};
}

template <typename T>
T Server::Impl::ask_connection(ConnectionId id, T absent,
                               std::function<void(Shard&, Connection&, Reply<T>)> question) const {
    Worker* worker = worker_of(id);
    if (worker == nullptr) return absent;
    const Reply<T> reply;
    auto answer = reply.future();
    const bool taken = worker->post([&absent, &question, number = id.number, reply](Shard& shard) {
        if (Connection* connection = shard.registry().find(number)) return question(shard, *connection, reply);
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
    auto impl = std::make_unique<Impl>(std::move(config), std::move(bound).value());
    impl->start(reactors, make_handler);
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::drain() { impl_->drain_until(impl_->clock_.steady() + impl_->config_.drain_time); }
void Server::stop_now() { impl_->drain_until(SteadyTime{}); }
void Server::wait() { impl_->wait(); }

ServerStatus Server::status() const { return impl_->status(); }

milliseconds Server::silence() const {
    milliseconds longest{0};
    const SteadyTime now = impl_->clock_.steady();
    for (const auto& worker : impl_->workers_) longest = std::max(longest, worker->silence(now));
    return longest;
}

std::vector<ClosedLife> Server::closed(const ClosedQuery& query) const { return impl_->history_.find(query); }

ConnectionPage Server::list(const ConnectionQuery& query) const {
    auto lists = ask_all<std::shared_ptr<ConnectionList>>(
        impl_->workers_, [this, &query](Shard& shard, Reply<std::shared_ptr<ConnectionList>> reply) {
            auto list = std::make_shared<ConnectionList>(query);
            shard.walk(
                [this, list, &shard](Connection& connection) {
                    if (list->wants(connection, impl_->config_.listeners[connection.listener].name))
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

std::optional<ConnectionDetail> Server::show(ConnectionId id) const {
    using Answer = std::optional<ConnectionDetail>;
    return impl_->ask_connection<Answer>(
        id, std::nullopt, [this](Shard& shard, Connection& connection, const Reply<Answer>& reply) {
            ConnectionDetail detail{.row = impl_->row_of(connection, shard),
                                    .evidence = {},
                                    .unfinished_item_bytes = connection.unfinished ? connection.unfinished->size : 0,
                                    .downlink_queue_bytes = connection.downlink ? connection.downlink->waiting() : 0,
                                    .plan = shard.policy_of(connection).plan};
            if (const auto facts = read_tcp_facts(connection.fd)) detail.evidence = facts->evidence;
            reply(std::move(detail));
        });
}

std::optional<ProbeAnswer> Server::probe(ConnectionId id, milliseconds timeout) {
    using Answer = std::optional<ProbeAnswer>;
    return impl_->ask_connection<Answer>(id, std::nullopt,
                                         [id, timeout](Shard& shard, Connection& connection, Reply<Answer> reply) {
                                             shard.probe(connection, timeout, [id, reply](ProbeFindings findings) {
                                                 findings.last.conn = id;
                                                 reply(findings.last);
                                             });
                                         });
}

ProbeSummary Server::probe_all(const std::optional<Prefix>& peer, milliseconds timeout, OnSilent on_silent,
                               std::optional<std::uint8_t> listener) {
    const SteadyTime asked = impl_->clock_.steady();
    const auto findings = ask_all<ProbeFindings>(
        impl_->workers_, [&peer, timeout, on_silent, listener](Shard& shard, Reply<ProbeFindings> reply) {
            const auto wanted = [peer, listener](const Connection& connection) {
                return (!peer || peer->contains(connection.peer.address)) &&
                       (!listener || *listener == connection.listener);
            };
            const bool closes = on_silent == OnSilent::close;
            const auto just_heard = closes ? ProbeRun::JustHeard::ask_soon : ProbeRun::JustHeard::is_alive;
            shard.probe_all(wanted, timeout, just_heard, [reply, timeout, closes, &shard](ProbeFindings found) {
                if (closes) shard.end_silent(found.silent, timeout);
                reply(std::move(found));
            });
        });
    ProbeSummary summary;
    for (const ProbeFindings& found : findings) {
        summary.asked += found.asked;
        summary.alive += found.alive;
        for (const Token number : found.silent) summary.silent.push_back({impl_->run_, number});
    }
    summary.waited = std::chrono::floor<milliseconds>(impl_->clock_.steady() - asked);
    return summary;
}

Reconciliation Server::reconcile() { return impl_->reconciler_.run(); }

Observations Server::observe() { return take_observations(impl_->workers_); }
std::vector<CensusEntry> Server::census() const { return take_census(impl_->workers_); }

bool Server::close(ConnectionId id) {
    return impl_->ask_connection<bool>(id, false, [](Shard& shard, Connection& connection, const Reply<bool>& reply) {
        shard.close(connection, CloseReason::kicked);
        reply(true);
    });
}

std::size_t Server::close_all(const Prefix& peer) {
    const auto counts = ask_all<std::size_t>(impl_->workers_, [&peer](Shard& shard, Reply<std::size_t> reply) {
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
    return impl_->ask_connection<SendOutcome>(
        id, SendOutcome::no_such_connection,
        [this, json_object](Shard& shard, Connection& connection, const Reply<SendOutcome>& reply) {
            std::string framed;
            append_framed(framed, impl_->config_.listeners[connection.listener].framing, json_object);
            reply(shard.send(connection, framed));
        });
}

std::string_view version() noexcept { return HOLDFAST_VERSION; }

}  // namespace holdfast
