#pragma once

#include <string>
#include <vector>

#include "api/fleet_view.h"

namespace holdfast {

/// A fleet for tests: answers from its members and records the calls. Used by one thread.
class FakeFleetView final : public FleetView {
public:
    FleetOverview overview() override {
        return {.name = "east", .trouble = {}, .complete = true, .devices = page.total, .unsettled = 0};
    }
    std::vector<FleetGatewayRow> gateways() override { return rows; }
    FleetPageRow devices(const FleetQueryRow& query) override {
        queries.push_back(query);
        return page;
    }

    std::vector<FleetGatewayRow> rows;
    FleetPageRow page;
    std::vector<FleetQueryRow> queries;
};

/// Returns a device that is online at the gateway "west".
inline FleetDeviceRow example_device() {
    return {.id = "d-17",
            .state = "online",
            .gateway = "west",
            .conn = {0x7f2c91a0, 1},
            .peer = parse_endpoint("10.2.0.9:51514").value(),
            .listener = "devices",
            .since = EventTime(std::chrono::milliseconds(1'795'334'400'123)),
            .reason = {},
            .closed_at = {},
            .by = {}};
}

}  // namespace holdfast
