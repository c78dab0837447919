#include <chrono>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "harness/simulated_gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

class Nothing final : public EventHandler {
public:
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent&) override {}
    void on_closed(const ClosedEvent&) override {}
};

struct ReloadRig {
    ReloadRig() {
        config.listeners[0].read_idle = std::nullopt;
        gateway = SimulatedGateway::Impl::make(config, std::make_unique<Nothing>(), 1).value();
        device = std::make_unique<SimulatedPeer>(gateway->world()->tcp, gateway->listener({}), gateway->next_address());
        device->send("{\"ip\":\"1\"}\n");
        pass(5s);
    }
    void pass(std::chrono::milliseconds time) { gateway->run_until(gateway->now() + time, {}); }

    ServerConfig config;
    std::unique_ptr<SimulatedGateway::Impl> gateway;
    std::unique_ptr<SimulatedPeer> device;
};

TEST(SimulatedReload, LivingConnectionsFollowTheNewPlan) {
    ReloadRig rig;
    rig.config.listeners[0].detect_within = 10s;
    ASSERT_TRUE(rig.gateway->apply(rig.config));
    rig.pass(60s);
    EXPECT_EQ(rig.gateway->connections(), 1U);
    rig.device->vanish();
    rig.pass(10s);
    EXPECT_EQ(rig.gateway->connections(), 0U) << "30 s was the bound before";
}

// The gateway stops amid the change to a shorter plan, before it has probed a device. Their answers to the kernel are
// late, as the new plan bears it.
TEST(SimulatedReload, APauseAmidTheChangeEndsNoSlowDevice) {
    ReloadRig rig;
    rig.config.listeners[0].detect_within = 10s;
    ASSERT_TRUE(rig.gateway->apply(rig.config));
    rig.pass(60s);
    rig.gateway->network().delay(500ms);
    std::vector<std::unique_ptr<SimulatedPeer>> devices;
    for (int n = 0; n < 40; ++n) {
        devices.push_back(std::make_unique<SimulatedPeer>(rig.gateway->world()->tcp, rig.gateway->listener({}),
                                                          rig.gateway->next_address()));
        rig.pass(107ms);  // their probes are spread over an idle time
    }
    rig.pass(30s);
    rig.config.listeners[0].detect_within = 5s;
    ASSERT_TRUE(rig.gateway->apply(rig.config));
    rig.gateway->pause(6s);
    rig.pass(60s);
    EXPECT_EQ(rig.gateway->connections(), 41U);
    for (const auto& device : devices) device->vanish();
    rig.pass(5s);
    EXPECT_EQ(rig.gateway->connections(), 1U) << "by the new plan";
}

TEST(SimulatedReload, AnotherAddressIsRejected) {
    ReloadRig rig;
    rig.config.listeners[0].address = "127.0.0.1:7001";
    EXPECT_FALSE(rig.gateway->apply(rig.config));
    rig.pass(5s);
    EXPECT_EQ(rig.gateway->connections(), 1U);
}

TEST(SimulatedReload, AGatewayMayTakeThePlaceOfAnotherOne) {
    ReloadRig rig;
    const auto world = rig.gateway->world();
    rig.gateway.reset();
    rig.gateway = SimulatedGateway::Impl::make(rig.config, std::make_unique<Nothing>(), world).value();
    rig.pass(1s);
    EXPECT_EQ(rig.device->state(), LinkState::closed);
    SimulatedPeer next(world->tcp, rig.gateway->listener({}), rig.gateway->next_address());
    rig.pass(1s);
    EXPECT_EQ(rig.gateway->connections(), 1U);
}

}  // namespace
}  // namespace holdfast
