#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/gateway_book.h"
#include "fleet/record.h"

namespace holdfast {

/// State of one gateway as this gateway sees it.
struct FleetGateway {
    GatewayRecord record;
    GatewayState state{};
    bool self = false;
    std::chrono::milliseconds quiet{};  ///< since its latest beat arrived
    std::uint64_t devices = 0;          ///< online there according to the presence bucket
};

enum class FleetDeviceState : std::uint8_t { online, unknown, closed };
[[nodiscard]] std::string_view to_string(FleetDeviceState state) noexcept;

struct FleetDevice {
    std::string id;
    PresenceRecord record;
    FleetDeviceState state{};  ///< unknown: online at the latest beat of its gateway
};

struct FleetQuery {
    std::optional<std::string> id;  ///< with a final '*': the beginning of it
    std::optional<std::string> gateway;
    std::optional<FleetDeviceState> state;
    std::optional<EventTime> since;  ///< online: connected at this time or later; closed: closed then
    std::optional<EventTime> until;
    std::size_t offset = 0;
    std::size_t limit = 100;
};

struct FleetPage {
    std::size_t total = 0;             ///< matches on all pages
    std::vector<FleetDevice> devices;  ///< by id
};

struct FleetStatus {
    std::string name;
    std::string trouble;                        ///< empty while this gateway takes part
    std::string twin;                           ///< another gateway with the same name or spool; empty if none
    bool complete = false;                      ///< the whole presence bucket has been read
    std::uint64_t known = 0;                    ///< devices
    std::uint64_t held = 0;                     ///< devices of this gateway with a living connection
    std::uint64_t unsettled = 0;                ///< devices whose record in the bucket is not up to date
    std::uint64_t closed_unauthenticated = 0;   ///< kept records of this gateway
    std::uint64_t dropped_unauthenticated = 0;  ///< records that the budget prevented or removed early
    std::uint64_t lost_told = 0;                ///< closed events with gateway_lost that this gateway wrote
    std::uint64_t superseded = 0;               ///< connections closed for newer ones elsewhere
    std::string cut_off;                        ///< why it neither reports nor sees others; empty if it does
    std::string budget;                         ///< recent removals by the budget; empty if none
    std::uint64_t gateways_lost = 0;            ///< without a beat for lost_after, and not back
    std::uint64_t devices_lost = 0;             ///< online at those gateways when they were lost
    std::string lost;                           ///< names of those gateways; empty if none
};

/// The questions of the admin API to a fleet. Any thread. An interface, because a Fleet needs a NATS server and the
/// tests of the API have none.
class FleetView {
public:
    virtual ~FleetView() = default;

    [[nodiscard]] virtual FleetStatus status() const = 0;
    [[nodiscard]] virtual std::vector<FleetGateway> gateways() const = 0;
    [[nodiscard]] virtual FleetPage devices(const FleetQuery& query) const = 0;
};

/// Returns the device with exactly this id, which may end with a '*', or nullopt.
[[nodiscard]] std::optional<FleetDevice> find_device(const FleetView& fleet, const std::string& id);

}  // namespace holdfast
