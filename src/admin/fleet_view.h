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
    EventTime since;                    ///< of its start; the beginning of time if it has never been heard of
    std::chrono::milliseconds quiet{};  ///< since its latest beat
    std::uint64_t connections = 0;      ///< as it said
    std::uint64_t devices = 0;          ///< that are online there
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
    std::optional<CloseReason> reason;  ///< of one that is closed
    EventTime closed_at;
    std::string by;  ///< the gateway that found that `gateway` was lost
};

struct FleetQueryRow {
    std::optional<std::string> id;
    std::optional<std::string> gateway;
    std::optional<std::string> state;  ///< one of FleetDeviceRow's
    std::size_t offset = 0;
    std::size_t limit = 100;
};

struct FleetPageRow {
    std::size_t total = 0;
    std::vector<FleetDeviceRow> devices;  ///< by id
};

struct FleetOverview {
    std::string name;     ///< this gateway's
    std::string trouble;  ///< empty while it takes part
    bool complete = false;
    std::uint64_t devices = 0;                  ///< known
    std::uint64_t unsettled = 0;                ///< of this gateway's, what the others cannot see yet
    std::uint64_t closed_unauthenticated = 0;   ///< of this gateway's, records kept
    std::uint64_t dropped_unauthenticated = 0;  ///< of this gateway's, records that the budget did not keep
};

/// What the admin API asks of the fleet. Any thread.
class FleetView {
public:
    virtual ~FleetView() = default;

    [[nodiscard]] virtual FleetOverview overview() = 0;
    [[nodiscard]] virtual std::vector<FleetGatewayRow> gateways() = 0;
    [[nodiscard]] virtual FleetPageRow devices(const FleetQueryRow& query) = 0;
};

}  // namespace holdfast
