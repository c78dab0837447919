#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <holdfast/server.h>

#include "api/api.h"
#include "api/downlink_message.h"
#include "daemon/log.h"
#include "daemon/sinks.h"
#include "fleet/fleet.h"
#include "options/daemon_config.h"

namespace holdfast {

/// The daemon's part in the fleet: starts the Fleet from the configuration, owns it, and answers requests for devices
/// of other gateways. Any thread after start(); ends by stop().
class FleetPart {
public:
    explicit FleetPart(Log& log) : log_(log) {}

    /// Wraps a handler so that it reports devices to the fleet. Called before the server's handlers are made.
    [[nodiscard]] std::unique_ptr<EventHandler> note(std::unique_ptr<EventHandler> inner) {
        return note_devices(std::move(inner), news_);
    }
    /// Starts the fleet. Server, link and spool must outlive this object.
    void start(const FleetConfig& config, const SinkConfig& sink, Server& server, NatsLink& link, Spool& spool,
               SpoolInheritance inherited);
    /// Returns the state of the fleet, or an empty state before start(). Any thread, at any time.
    [[nodiscard]] FleetStatus status() const { return started_ ? fleet_->status() : FleetStatus(); }
    /// Stops the fleet after the end of the server.
    void stop(std::chrono::milliseconds timeout);

    /// Returns true if a gateway of the fleet has the device. Any thread, at any time.
    [[nodiscard]] bool is_online(const std::string& id) const {
        const auto found = started_ ? find_device(*fleet_, id) : std::nullopt;
        return found && found->state == FleetDeviceState::online;
    }
    [[nodiscard]] FleetView* view() const { return fleet_.get(); }  ///< for the admin API; null before start()

    /// Forwards to Fleet::find_here().
    [[nodiscard]] std::optional<ConnectionId> find_here(const std::string& id) const { return fleet_->find_here(id); }
    /// Forwards the request to the gateway that has the device. Returns nullopt if none has it.
    [[nodiscard]] std::optional<ApiAnswer> elsewhere(const DeviceQuestion& question);

    /// Returns a function that queries the other gateways that have beats for closed connections; empty before start().
    [[nodiscard]] QueryLives lives_elsewhere() {
        if (!started_) return {};
        return [this](const ClosedQuery& query) { return query_lives(query); };
    }

private:
    [[nodiscard]] std::vector<LivesOfGateway> query_lives(const ClosedQuery& query);
    [[nodiscard]] std::optional<ApiAnswer> send_elsewhere(const DeviceQuestion& question);

    Log& log_;
    DeviceNews news_;
    std::unique_ptr<Fleet> fleet_;
    std::atomic<bool> started_{false};
};

/// Returns this gateway's name from the configuration, or the name of the host.
[[nodiscard]] std::string fleet_name(const FleetConfig& config);

}  // namespace holdfast
