#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/api.h"
#include "testing/fake_control_plane.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

/// A fleet that answers from its members and records the queries. One thread.
class FakeFleetView final : public FleetView {
public:
    [[nodiscard]] FleetStatus status() const override {
        FleetStatus status;
        status.name = "east";
        status.complete = true;
        status.known = page.total;
        return status;
    }
    [[nodiscard]] std::vector<FleetGateway> gateways() const override { return rows; }
    [[nodiscard]] FleetPage devices(const FleetQuery& query) const override {
        queries.push_back(query);
        return page;
    }

    std::vector<FleetGateway> rows;
    FleetPage page;
    mutable std::vector<FleetQuery> queries;
};

class ApiFleetTest : public testing::Test {
protected:
    ApiAnswer get(std::string_view target) { return api_.answer({"GET", target}); }

    void expect_error(const ApiAnswer& answer, int status, std::string_view code) {
        EXPECT_EQ(answer.status, status) << answer.body;
        EXPECT_THAT(answer.body, StartsWith("{\"error\":{\"code\":\"" + std::string(code) + "\",\"message\":\""));
    }

    FakeControlPlane gateway_;
    FakeFleetView fleet_;
    Api api_{gateway_, {.fleet = &fleet_}};
};

TEST_F(ApiFleetTest, ShowsTheWholeFleet) {
    const EventTime since(std::chrono::milliseconds(1'795'334'400'123));
    fleet_.rows = {{.record = {.name = "east", .since = since, .connections = 3},
                    .state = GatewayState::online,
                    .self = true,
                    .quiet = 1500ms,
                    .devices = 2},
                   {.record = {.name = "west"}, .state = GatewayState::lost, .self = false, .quiet = 11s}};
    fleet_.page = {1,
                   {{.id = "d-17",
                     .record = {.gateway = "west",
                                .conn = {0x7f2c91a0, 1},
                                .peer = parse_endpoint("10.2.0.9:51514").value(),
                                .listener = "devices",
                                .since = since,
                                .online = true},
                     .state = FleetDeviceState::online}}};
    EXPECT_EQ(
        get("/v1/fleet").body,
        R"({"self":"east","trouble":null,"complete":true,"known_devices":1,"unsettled":0,"gateways_lost":0,"devices_lost":0,)"
        R"("closed_unauthenticated":0,"dropped_unauthenticated":0,"gateways":[)"
        R"({"name":"east","state":"online","self":true,"since":"2026-11-22T08:00:00.123Z","quiet_s":1.5,"connections":3,"devices":2},)"
        R"({"name":"west","state":"lost","self":false,"since":null,"quiet_s":11,"connections":0,"devices":0}],"total":1,"devices":[)"
        R"({"id":"d-17","state":"online","gateway":"west","conn":"7f2c91a0-1","peer":"10.2.0.9:51514","listener":"devices",)"
        R"("authenticated":false,"since":"2026-11-22T08:00:00.123Z","reason":null,"closed_at":null,"by":null}]})");
}

TEST_F(ApiFleetTest, HandsTheQueryOn) {
    static_cast<void>(get("/v1/fleet?gateway=west&id=d-17&state=unknown&limit=7&offset=8"));
    ASSERT_EQ(fleet_.queries.size(), 1U);
    EXPECT_EQ(fleet_.queries[0].gateway, "west");
    EXPECT_EQ(fleet_.queries[0].id, "d-17");
    EXPECT_EQ(fleet_.queries[0].state, FleetDeviceState::unknown);
    EXPECT_EQ(fleet_.queries[0].limit, 7U);
    EXPECT_EQ(fleet_.queries[0].offset, 8U);
    for (const char* query : {"state=lost", "limit=10001", "peer=x", "gateway=a&gateway=b"}) {
        expect_error(get("/v1/fleet?" + std::string(query)), 400, "bad_query");
    }
    Api bare(gateway_, {});
    expect_error(bare.answer({"GET", "/v1/fleet"}), 409, "no_fleet");
}

}  // namespace
}  // namespace holdfast
