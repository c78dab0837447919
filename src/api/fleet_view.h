#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/events.h>
#include <holdfast/reason.h>

namespace holdfast {

struct FleetGatewayRow {
    std::string name;
    std::string state;  ///< online, silent, lost, stopped
    bool self = false;
    EventTime since;                    ///< start of the gateway; the epoch before its first beat
    std::chrono::milliseconds quiet{};  ///< since its latest beat
    std::uint64_t connections = 0;      ///< as its beat says
    std::uint64_t devices = 0;          ///< online at that gateway
};

struct FleetDeviceRow {
    std::string id;
    std::string state;  ///< online, unknown, closed
    std::string gateway;
    ConnectionId conn;
    Endpoint peer;
    std::string listener;
    bool authenticated = false;
    EventTime since;
    std::optional<CloseReason> reason;  ///< reason of a closed device
    EventTime closed_at;
    std::string by;  ///< gateway that found that `gateway` was lost
};

struct FleetQueryRow {
    std::optional<std::string> id;
    std::optional<std::string> gateway;
    std::optional<std::string> state;  ///< a state of FleetDeviceRow
    std::size_t offset = 0;
    std::size_t limit = 100;
};

struct FleetPageRow {
    std::size_t total = 0;
    std::vector<FleetDeviceRow> devices;  ///< ordered by id
};

struct FleetOverview {
    std::string name;     ///< name of this gateway
    std::string trouble;  ///< empty while it takes part
    bool complete = false;
    std::uint64_t devices = 0;                  ///< known devices
    std::uint64_t unsettled = 0;                ///< changes of this gateway that others cannot see yet
    std::uint64_t closed_unauthenticated = 0;   ///< records that this gateway keeps
    std::uint64_t dropped_unauthenticated = 0;  ///< records of this gateway beyond the budget
};

/// The operations of the fleet that the admin API uses. Any thread.
class FleetView {
public:
    virtual ~FleetView() = default;

    [[nodiscard]] virtual FleetOverview overview() = 0;
    [[nodiscard]] virtual std::vector<FleetGatewayRow> gateways() = 0;
    [[nodiscard]] virtual FleetPageRow devices(const FleetQueryRow& query) = 0;
};

}  // namespace holdfast
