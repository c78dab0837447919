#include "server/drains.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/gateway.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

ServerConfig two_listeners() {
    ServerConfig config;
    config.reactors = 2;
    config.listeners.resize(2);
    config.listeners[1].name = "others";
    for (ListenerConfig& listener : config.listeners) listener.address = "127.0.0.1:0";
    return config;
}

class DrainsTest : public testing::Test {
protected:
    std::vector<std::unique_ptr<TestDevice>> connect(const std::string& listener, int count) {
        std::vector<std::unique_ptr<TestDevice>> devices;
        for (int i = 0; i < count; ++i) {
            devices.push_back(std::make_unique<TestDevice>(gateway_.bound(listener)));
            gateway_.send_and_see(*devices.back(), listener + std::to_string(i));
        }
        return devices;
    }
    DrainStatus drain(const DrainOrder& order) {
        const auto begun = gateway_.server().drain_over(order);
        EXPECT_TRUE(begun) << begun.error().message;
        return begun ? begun.value() : DrainStatus{};
    }
    std::optional<DrainStatus> status() { return gateway_.server().status().drain; }
    bool wait_for(DrainStatus::State state) {
        return gateway_.until([&] { return status()->state == state; });
    }

    TestGateway gateway_{two_listeners()};
};

TEST_F(DrainsTest, EndsExistingConnectionsAndKeepsNewOnes) {
    EXPECT_EQ(status(), std::nullopt);
    const auto devices = connect("devices", 8);
    // The item waits in the kernel at the connection's turn and is delivered first.
    devices.front()->send("last words");
    drain({.over = 1s});
    ASSERT_TRUE(gateway_.until([&] { return status()->found == 8; }));
    TestDevice late(gateway_.bound("devices"));
    gateway_.send_and_see(late, "late");
    for (const auto& device : devices) {
        const std::string goodbye = device->line();
        EXPECT_THAT(goodbye, StartsWith("{\"retry_after_ms\":")) << goodbye;
        EXPECT_TRUE(device->ended());
        EXPECT_EQ(gateway_.events().reason_of(device->local()), CloseReason::drained);
    }
    ASSERT_TRUE(wait_for(DrainStatus::State::done));
    EXPECT_EQ(gateway_.events().listener_of("last words"), "devices");
    EXPECT_EQ(status()->ended, 8U);
    EXPECT_EQ(status()->left(), 0U);
    gateway_.send_and_see(late, "still there");
    EXPECT_TRUE(gateway_.server().status().out_of_service);
    EXPECT_FALSE(gateway_.server().status().draining);
    gateway_.server().cancel_drain();
    EXPECT_FALSE(gateway_.server().status().out_of_service);
    EXPECT_EQ(status()->state, DrainStatus::State::done) << "what has been done stays done";
}

TEST_F(DrainsTest, OneListenersDevicesOnlyAndWithoutAWord) {
    const auto devices = connect("devices", 3);
    const auto others = connect("others", 3);
    drain({.over = 1s, .listener = "others", .goodbye = false});
    for (const auto& device : others) EXPECT_EQ(device->line(), "");
    ASSERT_TRUE(wait_for(DrainStatus::State::done));
    EXPECT_EQ(status()->found, 3U);
    for (const auto& device : devices) gateway_.send_and_see(*device, "here");
    EXPECT_FALSE(gateway_.server().status().out_of_service) << "the others are welcome";
}

TEST_F(DrainsTest, OfAPrefixOnly) {
    const auto devices = connect("devices", 2);
    drain({.over = 1s, .peer = parse_prefix("10.0.0.0/8").value()});
    ASSERT_TRUE(wait_for(DrainStatus::State::done));
    EXPECT_EQ(status()->found, 0U);
    drain({.over = 1s, .peer = parse_prefix("127.0.0.0/8").value()});
    ASSERT_TRUE(wait_for(DrainStatus::State::done));
    EXPECT_EQ(status()->ended, 2U);
}

TEST_F(DrainsTest, CancelledItLeavesTheRest) {
    const auto devices = connect("devices", 4);
    drain({.over = std::chrono::hours(1)});
    ASSERT_TRUE(gateway_.until([&] { return status()->found == 4; }));
    const auto cancelled = gateway_.server().cancel_drain();
    ASSERT_TRUE(cancelled);
    EXPECT_EQ(cancelled->state, DrainStatus::State::cancelled);
    EXPECT_FALSE(gateway_.server().status().out_of_service);
    for (const auto& device : devices) gateway_.send_and_see(*device, "here");
}

TEST_F(DrainsTest, ANewOneTakesThePlaceOfTheOld) {
    const auto devices = connect("devices", 3);
    drain({.over = std::chrono::hours(1)});
    drain({.over = 1s});
    ASSERT_TRUE(wait_for(DrainStatus::State::done));
    EXPECT_EQ(status()->ended, 3U);
}

TEST_F(DrainsTest, ConnectionsThatEndBeforeTheirTurnAreCountedApart) {
    auto devices = connect("devices", 3);
    drain({.over = 1s});
    ASSERT_TRUE(gateway_.until([&] { return status()->found == 3; }));
    devices.front()->close();
    ASSERT_TRUE(wait_for(DrainStatus::State::done));
    EXPECT_EQ(status()->ended + status()->gone, 3U);
    EXPECT_EQ(gateway_.status("devices").closed[static_cast<std::size_t>(CloseReason::drained)], status()->ended);
}

TEST_F(DrainsTest, AnOrderOutOfBoundsIsRefused) {
    EXPECT_THAT(gateway_.server().drain_over({.over = 10ms}).error().message, HasSubstr("write 1s to 24h"));
    EXPECT_THAT(gateway_.server().drain_over({.over = 25h}).error().message, HasSubstr("write 1s to 24h"));
    EXPECT_THAT(gateway_.server().drain_over({.over = 1s, .listener = "nobody"}).error().message,
                HasSubstr("unknown listener \"nobody\""));
    EXPECT_EQ(status(), std::nullopt);
    gateway_.server().drain();
    EXPECT_THAT(gateway_.server().drain_over({.over = 1s}).error().message, HasSubstr("stopping"));
}

TEST_F(DrainsTest, AStopDoesNotWaitForIt) {
    const auto devices = connect("devices", 2);
    drain({.over = std::chrono::hours(24), .goodbye = false});
    gateway_.server().drain();
    gateway_.server().wait();
    for (const auto& device : devices) EXPECT_EQ(gateway_.events().reason_of(device->local()), CloseReason::shutdown);
}

}  // namespace
}  // namespace holdfast
