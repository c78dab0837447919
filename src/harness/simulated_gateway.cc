#include "harness/simulated_gateway.h"

#include <algorithm>
#include <utility>

#include "server/inspection.h"
#include "server/kept_listeners.h"
#include "server/listeners.h"
#include "server/reconfiguration.h"
#include "server/validate.h"
#include "tcp/socket_options.h"

namespace holdfast {

void PathRules::add(Rule rule) {
    std::erase_if(rules_, [&rule](const Rule& earlier) {
        return earlier.where == rule.where && earlier.property == rule.property;
    });
    rules_.push_back(std::move(rule));
}

SimulatedPath PathRules::path_of(const Endpoint& peer) const {
    SimulatedPath path{.delay = std::chrono::milliseconds(1)};
    for (const Rule& rule : rules_) {
        if (rule.where.contains(peer.address)) rule.change(path);
    }
    return path;
}

namespace {

/// Reads the files of a listener, and plans its liveness as a kernel with all options keeps it.
Result<BoundListener> make_listener(const ListenerConfig& config) {
    BoundListener made;
    auto tokens = load_tokens(config);
    if (!tokens) return tokens.error();
    made.tokens = std::move(tokens).value();
    const auto plan = plan_liveness(config.detect_within);
    if (!plan) return plan.error();
    made.plan = plan.value();
    const auto address = parse_endpoint(config.address);
    if (!address) return address.error();
    made.address = address.value();
    return made;
}

}  // namespace

Result<std::unique_ptr<SimulatedGateway::Impl>> SimulatedGateway::Impl::make(const ServerConfig& config,
                                                                             std::unique_ptr<EventHandler> handler,
                                                                             std::uint64_t seed) {
    if (SimulatedTcp::current() != nullptr)
        return Error{"cannot start the simulated gateway: this thread has another one; destroy it first",
                     ErrorCode::try_later};
    return make(config, std::move(handler), std::make_shared<SimulatedWorld>(seed));
}

Result<std::unique_ptr<SimulatedGateway::Impl>> SimulatedGateway::Impl::make(const ServerConfig& config,
                                                                             std::unique_ptr<EventHandler> handler,
                                                                             std::shared_ptr<SimulatedWorld> world,
                                                                             std::unique_ptr<KeptState> kept) {
    if (handler == nullptr)
        return Error{"cannot start the simulated gateway: it has no handler; pass one", ErrorCode::handler_failed};
    if (const auto errors = validate(config); !errors.empty()) return errors.front();
    std::vector<BoundListener> made;
    for (const ListenerConfig& listener : config.listeners) {
        auto one = make_listener(listener);
        if (!one) return one.error();
        made.push_back(std::move(one).value());
    }
    auto running = first_running(config, made, 1);
    if (!running) return running.error();
    auto impl = std::make_unique<Impl>(running.value(), std::move(world), std::move(kept));
    if (auto error = impl->begin(std::move(handler))) return *error;
    return impl;
}

SimulatedGateway::Impl::Impl(const Running& running, std::shared_ptr<SimulatedWorld> world,
                             std::unique_ptr<KeptState> kept)
    : world_(std::move(world)),
      kept_(std::move(kept)),
      run_(kept_ && kept_->shape() ? kept_->shape()->run : 0x51'00'00'01 + world_->gateways++),
      network_(std::make_unique<SimulatedNetwork::Impl>(*world_)),
      active_(running),
      admission_(effective_max_connections(running.config.limits)),
      history_(running.config.closed_history),
      notices_(running.config.on_notice) {
    admission_.set(running.config.limits, effective_max_connections(running.config.limits));
    world_->tcp.take_calls();
    world_->tcp.set_process(true);
}

SimulatedGateway::Impl::~Impl() {
    if (!threads_.empty()) {
        Reactor& reactor = shard().reactor();
        if (!reactor.is_stopping()) shard().drain({.deadline = SteadyTime{}});
        reactor.run(shard());
    }
    for (const Listener& listener : listeners_) {
        if (world_->tcp.has_process()) world_->tcp.close_listener(listener.fd);
    }
    world_->tcp.retire();
}

std::optional<Error> SimulatedGateway::Impl::begin(std::unique_ptr<EventHandler> handler) {
    const ActiveConfig::Snapshot running = active_.get();
    std::vector<ListenerPolicy> policies;
    std::vector<PipelineListener> listeners;
    for (const RunningListener& listener : running->listeners) {
        policies.push_back(listener.policy(running->config.limits));
        listeners.push_back(listener.pipeline(0));
    }
    if (auto error = begin_keeping(*running)) return error;
    auto pipeline = std::make_unique<Pipeline>(
        Pipeline::Options{
            .run = run_, .listeners = std::move(listeners), .item = running->config.item, .clock = &world_->clock},
        std::move(handler), Pipeline::Shared{history_, bad_items_, notices_});
    if (auto error = cannot_acknowledge(running->config, *pipeline)) return error;
    threads_.push_back(std::make_unique<ReactorThread>(world_->clock, admission_, shard_options_of(*running, policies),
                                                       std::move(pipeline)));
    listen();
    introduce();
    thread().begin_here();
    return std::nullopt;
}

/// Prepares the kept state as the start of a Server does.
std::optional<Error> SimulatedGateway::Impl::begin_keeping(const Running& running) {
    if (!kept_) return std::nullopt;
    if (kept_->shape()) {
        kept_->close_others(world_->tcp.accepted_descriptors(), {});
        heritage_ = heritage_of(*kept_, running, now());
    } else if (!kept_->begin({run_, 1, std::min(kept_connections, table_capacity(running.config.limits))})) {
        return Error{"cannot keep the connections: no memory", ErrorCode::out_of_resources};
    }
    note_listeners(*kept_, running);
    return std::nullopt;
}

ShardOptions SimulatedGateway::Impl::shard_options_of(const Running& running,
                                                      const std::vector<ListenerPolicy>& policies) {
    ShardOptions options = shard_options(0, running.config, policies);
    if (!kept_) return options;
    options.max_connections = kept_->shape()->capacity;
    options.kept = kept_->shard(0);
    options.kept.heritage = heritage_.empty() ? nullptr : &heritage_.front();
    return options;
}

/// Returns a listening socket: that of an earlier process, or a new one.
int SimulatedGateway::Impl::socket_of(const RunningListener& listener) {
    const auto former = heritage_.empty() ? std::nullopt : kept_->find_listener(listener.config.name);
    if (former) return kept_->listener(*former).sockets.front();
    const int fd = world_->tcp.listen(listener.bound);
    if (kept_) kept_->set_socket(listener.number, 0, fd);
    return fd;
}

void SimulatedGateway::Impl::listen() {
    const ActiveConfig::Snapshot running = active_.get();
    for (const RunningListener& listener : running->listeners) {
        const int fd = socket_of(listener);
        static_cast<void>(apply_plan(fd, listener.plan));
        listeners_.push_back({.name = listener.config.name, .fd = fd});
        shard().add_listener(UniqueFd(fd));
    }
}

/// Connects the reactor with the parts that a Server has, as its introduce() does.
void SimulatedGateway::Impl::introduce() {
    ContextParts parts{.shard = shard(), .pipeline = thread().pipeline(), .run = run_};
    parts.post = [this](ConnectionId id, ReactorContext::Work work) { return post(id, std::move(work)); };
    parts.send_many = [this](std::span<const ConnectionId> ids, std::string_view bytes) { send_many(ids, bytes); };
    parts.find = [this](std::string_view device) {
        const auto number = directory_.find(device);
        return number ? std::optional(ConnectionId{run_, *number}) : std::nullopt;
    };
    thread().know_server(std::move(parts));
    DeviceContext around{.directory = &directory_, .shard = &shard(), .durable = nullptr, .post = thread().line()};
    around.supersede = [this](Token former, std::function<void()> done) {
        supersede(threads_, former, std::move(done));
    };
    around.confirm = [this](Token holder, std::function<void(bool)> done) {
        confirm(threads_, holder, std::move(done));
    };
    thread().pipeline().know_devices(std::move(around));
}

bool SimulatedGateway::Impl::post(ConnectionId id, ReactorContext::Work work) {
    return id.run == run_ && Registry::reactor_of(id.number) == 0 && thread().post_work(std::move(work));
}

void SimulatedGateway::Impl::send_many(std::span<const ConnectionId> ids, std::string_view bytes) {
    std::vector<Token> numbers;
    for (const ConnectionId id : ids) numbers.push_back(id.run == run_ ? id.number : 0);
    thread().post([numbers = std::move(numbers), text = std::string(bytes)](Shard& on) { send_to(on, numbers, text); });
}

int SimulatedGateway::Impl::listener(std::string_view name) const {
    if (name.empty()) return listeners_.front().fd;
    const auto found = std::find_if(listeners_.begin(), listeners_.end(),
                                    [name](const Listener& listener) { return listener.name == name; });
    return found == listeners_.end() ? -1 : found->fd;
}

/// Returns an address of 198.18.0.0/15, which is reserved for tests of networks (RFC 2544).
Endpoint SimulatedGateway::Impl::next_address() {
    constexpr std::uint32_t addresses = 1U << 17;
    const std::uint32_t number = ++addresses_;
    const std::uint32_t host = number % addresses;
    Endpoint next;
    next.address.bytes[10] = next.address.bytes[11] = 0xff;
    next.address.bytes[12] = 198;
    next.address.bytes[13] = static_cast<std::uint8_t>(18 + (host >> 16));
    next.address.bytes[14] = static_cast<std::uint8_t>(host >> 8);
    next.address.bytes[15] = static_cast<std::uint8_t>(host);
    next.port = static_cast<std::uint16_t>(10'000 + number / addresses % 50'000);
    return next;
}

void SimulatedGateway::Impl::run_turns() {
    Reactor& reactor = threads_.front()->shard().reactor();
    const auto has_work = [&] {
        return world_->tcp.has_events() || reactor.has_work() || reactor.next_timer() <= now();
    };
    while (!reactor.is_stopping() && has_work()) turn();
}

void SimulatedGateway::Impl::turn() {
    Shard& shard = threads_.front()->shard();
    Reactor& reactor = shard.reactor();
    world_->tcp.ask_kernel(reactor.has_work());
    reactor.turn(shard);
    world_->tcp.ask_kernel(true);
}

bool SimulatedGateway::Impl::run_until(SteadyTime end, const std::function<bool()>& condition) {
    Reactor& reactor = threads_.front()->shard().reactor();
    // Calls of the context since the last turn take effect at the end of a turn.
    if (std::exchange(was_called_, false) && !reactor.is_stopping()) turn();
    for (;;) {
        world_->tcp.run_until(now());
        run_turns();
        if (condition && condition()) return true;
        if (now() >= end) return false;
        const SteadyTime next = reactor.is_stopping() ? end : reactor.next_timer();
        world_->tcp.run_until(std::min({end, next, world_->tcp.next_event()}));
    }
}

Result<ApplyReport> SimulatedGateway::Impl::apply(const ServerConfig& config) {
    was_called_ = true;
    return apply_config({.clock = world_->clock,
                         .running = active_,
                         .admission = admission_,
                         .notices = notices_,
                         .threads = threads_,
                         .is_simulated = true},
                        config);
}

void SimulatedGateway::Impl::drain() {
    const StopTask task{.deadline = now() + active_.get()->config.drain_time};
    thread().post([task](Shard& on) { on.drain(task); });
    run_turns();
    for (const Listener& listener : listeners_) world_->tcp.close_listener(listener.fd);
}

}  // namespace holdfast
