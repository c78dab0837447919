#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <holdfast/server.h>

#include "base/clock.h"
#include "fleet/bucket.h"
#include "fleet/command_desk.h"
#include "fleet/device_news.h"
#include "fleet/fleet_state.h"
#include "fleet/former_lives.h"
#include "forward/nats_link.h"
#include "spool/spool.h"

namespace holdfast {

struct FleetOptions {
    std::string name;        ///< name of this gateway, unique in the fleet
    std::string place = {};  ///< identifies its spool's directory, on one machine during one boot
    std::chrono::milliseconds lost_after{10'000};
    std::size_t max_closed_unauthenticated = Presence::default_max_ended;  ///< closed records to keep
    unsigned replicas = 0;       ///< of new buckets; 0: 3 in a cluster of three or more, else 1
    SpoolInheritance inherited;  ///< connections that earlier processes left open in the spool
    std::function<Result<std::string>(std::string_view json)> check_message;
    decltype(CommandDesk::Options::answer) answer;               ///< to other gateways' questions
    std::function<void(const std::string& trouble)> on_trouble;  ///< once when trouble begins; the fleet's thread
    std::function<void()> on_recovered;
    std::function<void(const std::string& notice)> on_notice;  ///< e.g. a lost gateway
};

/// This gateway's part in a fleet. Publishes where its devices are, follows those of others, closes connections of
/// devices that moved, and reports the connections of lost gateways. Owns a thread, the watches and the command desk.
/// Thread-safe. Ends by stop(), which the destructor also calls.
class Fleet final : public FleetView {
public:
    Fleet(Server& server, NatsLink& link, Spool& spool, DeviceNews& news, FleetOptions options);
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;
    ~Fleet() override { stop(std::chrono::milliseconds(0)); }

    [[nodiscard]] std::vector<FleetGateway> gateways() const override { return state_.gateways(); }
    [[nodiscard]] FleetPage devices(const FleetQuery& query) const override { return state_.devices(query); }
    [[nodiscard]] std::optional<FleetDevice> find(const std::string& id) const { return state_.find(id); }
    [[nodiscard]] FleetStatus status() const override { return state_.status(); }
    /// Returns this gateway's connection of the id. Returns nullopt if another gateway's connection has proved the id
    /// and this one has not. Such a connection is about to be closed and receives no message for the id.
    [[nodiscard]] std::optional<ConnectionId> find_here(const std::string& id) const;
    [[nodiscard]] CommandDesk& desk() { return *desk_; }

    /// Publishes the ends of the last devices and a last beat, for at most `timeout`. Must be called after the server
    /// has ended.
    void stop(std::chrono::milliseconds timeout);

private:
    void run();
    void turn();
    void take_news();
    void apply(const DeviceNote& note);
    void reconcile();
    void audit();
    void keep_bound();
    void beat(bool last);
    void put_what_is_new();
    void do_tasks();
    void tell(const std::string& lines, const std::string& listener);
    void classify();
    void look_up_unresolved();
    void clean();
    void settle_former();
    void report_lost(const LostLife& life);
    void say(const std::string& trouble);
    [[nodiscard]] bool settled() const;

    const SystemClock clock_;
    Server& server_;
    NatsLink& link_;
    Spool& spool_;
    DeviceNews& news_;
    const FleetOptions options_;
    const WallTime since_ = clock_.wall();
    FleetState state_;

    // Used by the fleet's thread only.
    SteadyTime bound_try_{};
    SteadyTime beaten_{};
    SteadyTime renewed_{};
    SteadyTime audited_{};
    SteadyTime cleaned_ = clock_.steady();
    std::vector<std::pair<std::string, SteadyTime>> unresolved_;
    FormerLives former_;
    std::optional<SteadyTime> complete_since_;
    bool bound_ = false;
    bool takes_part_ = false;
    bool reconcile_ = true;  // at first, since the server may have taken connections over

    std::atomic<bool> stopping_{false};
    std::atomic<SteadyTime> stop_by_{};
    std::unique_ptr<Bucket> devices_;
    std::unique_ptr<Bucket> beats_;
    std::unique_ptr<CommandDesk> desk_;
    std::unique_ptr<NatsLink::Watcher> reconnected_;
    std::thread thread_;
};

}  // namespace holdfast
