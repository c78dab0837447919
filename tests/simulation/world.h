#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "attempt.h"
#include "harness/simulated_gateway.h"
#include "recorder.h"
#include "server/kept_state.h"
#include "spool_disk.h"
#include "world_plan.h"

namespace holdfast {

struct WorldResult {
    double connection_hours = 0;
    std::map<std::string, std::uint64_t> ends_by_reason;
    std::uint64_t crashes = 0;
    std::uint64_t connections = 0;
    std::uint64_t items = 0;
    std::uint64_t ends = 0;
    std::optional<std::string> violation;  ///< the first: the promise, the time and the connection
};

/// Runs one world and checks the promises P0 to P8 in it. One thread.
class World {
public:
    /// Draws nothing yet. If `disk` is given, the gateway's sink is a spool on it.
    explicit World(const WorldPlan& plan, SpoolDisk* disk = nullptr);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World();

    [[nodiscard]] WorldResult run();

    // For the recorder.
    [[nodiscard]] Attempt* find(const Endpoint& peer);
    void check_end(Attempt& attempt, const ClosedEvent& event);
    void violate(const std::string& what);
    void note_item() { ++result_.items; }
    void note_connection() { ++result_.connections; }
    void later(SteadyTime when, std::function<void()> work);
    [[nodiscard]] Dice& dice() { return dice_; }
    [[nodiscard]] bool is_sink_ready() const { return now() >= sink_back_at_; }
    /// Returns true if the gateway has crashed, or the world is over: what it still does counts no more.
    [[nodiscard]] bool is_down() const { return is_down_; }
    [[nodiscard]] Ledger& ledger() { return ledger_; }
    /// Lets the gateway's process end here if a crash is due, amid what it does about `peer`'s connection. Returns true
    /// if it has ended.
    bool crash_here(const Endpoint& peer);
    [[nodiscard]] SpoolDisk* disk() { return disk_; }
    [[nodiscard]] SteadyTime now() const { return simulation_->clock.steady(); }

    static constexpr std::chrono::milliseconds reconnect_pause{5'000};

private:
    struct Due {
        SteadyTime when;
        std::uint64_t order;
        std::function<void()> work;
        [[nodiscard]] bool operator<(const Due& other) const {
            return when != other.when ? when > other.when : order > other.order;
        }
    };

    void at(SteadyTime when, std::function<void()> work);
    void start_gateway(std::shared_ptr<SimulatedWorld> simulation, std::unique_ptr<KeptState> kept = nullptr);
    void plan_act(ScriptedDevice& device, std::chrono::milliseconds pause);
    void run_until(SteadyTime end);
    void advance(SteadyTime to);
    void begin_device(std::size_t index);
    void begin_faults();

    // devices.cc
    void act(ScriptedDevice& device);
    void connect(ScriptedDevice& device);
    void follow_kind(ScriptedDevice& device, Attempt& attempt);
    void send_item(ScriptedDevice& device, Attempt& attempt);
    void send_numbered(ScriptedDevice& device, Attempt& attempt);
    void read_answers(ScriptedDevice& device, Attempt& attempt);
    void send_downlink(Attempt& attempt, std::size_t bytes);
    void leave(ScriptedDevice& device, Attempt& attempt);
    void sleep(ScriptedDevice& device, Attempt& attempt);
    void vanish(Attempt& attempt);
    void forget_old(ScriptedDevice& device);
    [[nodiscard]] bool is_due(ScriptedDevice& device, Attempt& attempt);

    // faults.cc
    void cut_site(std::size_t site);
    void heal_site(std::size_t site, bool was_long);
    void pause_process();
    void stop_sink();
    void reload();
    void probe_one();
    void check_sockets();
    void check_late();
    void limit(Attempt& attempt, SteadyTime cut_at);
    void end_all();
    void drain_all();

    // kept.cc
    void plan_kept_crash();
    void die(const Endpoint* peer);
    void note_death(const Endpoint* peer);
    void restart_kept();
    [[nodiscard]] std::unique_ptr<KeptState> open_kept();

    // crashes.cc
    void plan_crash();
    void crash();
    void restart();
    void check_spool();
    [[nodiscard]] static std::string id_of(const ScriptedDevice& device) {
        return "device-" + std::to_string(device.index);
    }
    void check_items(const SpoolContent& content);
    void check_idle();
    [[nodiscard]] bool is_paused() const { return is_down_ || now() < continues_at_; }
    [[nodiscard]] const Prefix& prefix_of(std::size_t site) const { return prefixes_[site]; }
    [[nodiscard]] std::size_t site_of(const Endpoint& peer) const { return peer.address.bytes[13]; }
    [[nodiscard]] static std::string text_of(SteadyTime time);
    [[nodiscard]] std::string state_of(const Attempt& attempt);
    [[nodiscard]] std::string name_of(const Attempt& attempt) const;

    const WorldPlan plan_;
    Dice dice_;
    SpoolDisk* const disk_;
    Ledger ledger_;
    std::shared_ptr<SimulatedWorld> simulation_;  // outlives the devices
    std::unique_ptr<SimulatedGateway::Impl> gateway_;
    SimulatedNetwork network_;
    std::vector<Prefix> prefixes_;  // by site
    int listener_ = -1;
    std::vector<ScriptedDevice> devices_;
    std::map<Endpoint, Attempt*> attempts_;
    std::vector<Endpoint> limited_;  // of attempts that have must_end_by
    std::priority_queue<Due> due_;
    std::uint64_t order_ = 0;
    std::uint64_t life_ = 0;  // of the gateway's process
    bool is_down_ = false;
    bool crash_is_due_ = false;
    UniqueFd kept_;             // the state that outlives the gateway; none: nothing does
    bool is_reloaded_ = false;  // the other configuration is active
    std::vector<bool> cut_;     // by site
    SteadyTime sink_back_at_;
    SteadyTime continues_at_;             // end of a pause of the gateway's process
    std::chrono::nanoseconds stopped_{};  // time in which the gateway did not read
    bool is_short_ = false;
    bool is_over_ = false;  // devices stay away
    WorldResult result_;
};

}  // namespace holdfast
