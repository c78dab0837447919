#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/testing.h>

#include "conn/admission.h"
#include "device/device_index.h"
#include "pipeline/pipeline.h"
#include "server/active_config.h"
#include "server/kept_state.h"
#include "server/reactor_thread.h"
#include "simulation/simulated_clock.h"
#include "simulation/simulated_peer.h"
#include "simulation/simulated_tcp.h"

namespace holdfast {

/// Rules of the simulated network, in their order: the later one wins.
class PathRules {
public:
    enum class Property : std::uint8_t { reachable, delay, loss, nat };
    struct Rule {
        Prefix where;
        Property property{};
        std::function<void(SimulatedPath&)> change;
    };

    /// Replaces an earlier rule about the same property of the same prefix.
    void add(Rule rule);
    [[nodiscard]] SimulatedPath path_of(const Endpoint& peer) const;

private:
    std::vector<Rule> rules_;
};

/// The simulation of one gateway, or of several in a row. Devices that outlive the gateway keep it.
struct SimulatedWorld {
    explicit SimulatedWorld(std::uint64_t seed) : tcp(clock, seed) {
        tcp.set_path_rule([this](const Endpoint& peer) { return rules.path_of(peer); });
    }

    SimulatedClock clock;
    SimulatedTcp tcp;
    PathRules rules;
    std::uint32_t gateways = 0;  ///< so far
};

class SimulatedNetwork::Impl {
public:
    explicit Impl(SimulatedWorld& world) : world_(world) {}
    void set(PathRules::Rule rule) {
        world_.rules.add(std::move(rule));
        world_.tcp.apply_path_rule();
    }

private:
    SimulatedWorld& world_;
};

class SimulatedDevice::Impl {
public:
    Impl(std::shared_ptr<SimulatedWorld> in, int listener, const Endpoint& from)
        : world(std::move(in)), peer(world->tcp, listener, from) {}

    const std::shared_ptr<SimulatedWorld> world;
    SimulatedPeer peer;
};

/// Runs one reactor turn by turn between the events of a SimulatedTcp. Owns the parts that a Server owns. One thread.
class SimulatedGateway::Impl {
public:
    struct Listener {
        std::string name;
        int fd = -1;
    };

    /// See SimulatedGateway::start().
    [[nodiscard]] static Result<std::unique_ptr<Impl>> make(const ServerConfig& config,
                                                            std::unique_ptr<EventHandler> handler, std::uint64_t seed);
    /// Starts a gateway in the place of one that was destroyed, whose devices and network go on. Keeps its connections
    /// in `kept`, if it is given, and takes over those that are there.
    [[nodiscard]] static Result<std::unique_ptr<Impl>> make(const ServerConfig& config,
                                                            std::unique_ptr<EventHandler> handler,
                                                            std::shared_ptr<SimulatedWorld> world,
                                                            std::unique_ptr<KeptState> kept = nullptr);
    Impl(const Running& running, std::shared_ptr<SimulatedWorld> world, std::unique_ptr<KeptState> kept);
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl();

    [[nodiscard]] int listener(std::string_view name) const;
    [[nodiscard]] Endpoint next_address();
    /// Runs until `end`, or until `condition` holds after a turn. Returns whether it held.
    bool run_until(SteadyTime end, const std::function<bool()>& condition);
    void pause(std::chrono::milliseconds time) { world_->tcp.run_until(now() + time); }
    void drain();
    /// Applies another configuration, as Server::apply() does. Listeners keep their addresses.
    [[nodiscard]] Result<ApplyReport> apply(const ServerConfig& config);

    [[nodiscard]] SteadyTime now() const { return world_->clock.steady(); }
    [[nodiscard]] const std::shared_ptr<SimulatedWorld>& world() { return world_; }
    [[nodiscard]] SimulatedNetwork& network() { return network_; }
    [[nodiscard]] std::size_t connections() const { return threads_.front()->shard().registry().size(); }
    /// Returns the reactor. The next run_until() begins with a turn, since calls take effect at its end.
    [[nodiscard]] ReactorThread& thread() {
        was_called_ = true;
        return *threads_.front();
    }
    [[nodiscard]] Shard& shard() { return thread().shard(); }
    /// Notes that a kept reference to the reactor may have been used.
    void expect_calls() { was_called_ = true; }
    [[nodiscard]] Admission& admission() { return admission_; }
    [[nodiscard]] const ClosedHistory& history() const { return history_; }

private:
    [[nodiscard]] std::optional<Error> begin(std::unique_ptr<EventHandler> handler);
    [[nodiscard]] ShardOptions shard_options_of(const Running& running, const std::vector<ListenerPolicy>& policies);
    [[nodiscard]] std::optional<Error> begin_keeping(const Running& running);
    void listen();
    [[nodiscard]] int socket_of(const RunningListener& listener);
    void introduce();
    bool post(ConnectionId id, ReactorContext::Work work);
    void send_many(std::span<const ConnectionId> ids, std::string_view bytes);
    /// Runs turns until the reactor has nothing to do now.
    void run_turns();
    void turn();

    static constexpr std::uint32_t kept_connections = 4'096;

    const std::shared_ptr<SimulatedWorld> world_;
    const std::unique_ptr<KeptState> kept_;  // null: nothing outlives the gateway
    std::vector<Heritage> heritage_;
    const std::uint32_t run_;
    SimulatedNetwork network_;
    ActiveConfig active_;
    Admission admission_;
    ClosedHistory history_;
    BadItemHistory bad_items_;
    DeviceIndex directory_;
    NoticeLimiter notices_;
    std::vector<Listener> listeners_;
    std::vector<std::unique_ptr<ReactorThread>> threads_;  // one
    std::uint32_t addresses_ = 0;
    bool was_called_ = true;
};

}  // namespace holdfast
