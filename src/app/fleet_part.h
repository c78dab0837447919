#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include <holdfast/server.h>

#include "admin/api.h"
#include "admin/device_question.h"
#include "admin/fleet_view.h"
#include "alarm/alarm_engine.h"
#include "app/log.h"
#include "app/sinks.h"
#include "fleet/fleet.h"
#include "options/daemon_config.h"

namespace holdfast {

/// The daemon's part in the fleet, and the fleet as the admin API sees it. Owns it. Any thread, after start(); ends by
/// stop().
class FleetPart final : public FleetView {
public:
    explicit FleetPart(Log& log) : log_(log) {}

    /// Before the server's handlers are made: from then on devices are noted.
    [[nodiscard]] std::unique_ptr<EventHandler> note(std::unique_ptr<EventHandler> inner) {
        return note_devices(std::move(inner), news_);
    }
    /// Server, link and spool must outlive it.
    void start(const FleetConfig& config, const SinkConfig& sink, Server& server, NatsLink& link, Spool& spool,
               SpoolInheritance inherited);
    /// Returns the state of the fleet that alarms are raised by. Any thread, at any time.
    [[nodiscard]] SinkHealth::Fleet health() const;
    /// When the server has ended.
    void stop(std::chrono::milliseconds patience);

    FleetOverview overview() override;
    std::vector<FleetGatewayRow> gateways() override;
    FleetPageRow devices(const FleetQueryRow& query) override;

    /// As Fleet has it.
    [[nodiscard]] std::optional<ConnectionId> find_here(const std::string& id) const { return fleet_->find_here(id); }
    /// Of a device that this gateway does not have.
    [[nodiscard]] std::optional<ApiAnswer> elsewhere(const DeviceQuestion& question);

private:
    [[nodiscard]] std::optional<ApiAnswer> send_elsewhere(const DeviceQuestion& question);

    Log& log_;
    DeviceNews news_;
    std::unique_ptr<Fleet> fleet_;
    std::atomic<bool> started_{false};
};

/// Of this gateway: what the configuration says, or the host's name.
[[nodiscard]] std::string fleet_name(const FleetConfig& config);

}  // namespace holdfast
