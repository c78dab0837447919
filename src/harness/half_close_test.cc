#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/testing.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

/// Records what a program sees of its only connection.
class LastSeen final : public EventHandler {
public:
    void on_connected(const ConnectedEvent& event) override { conn = event.conn; }
    void on_item(const ItemEvent&) override {}
    void on_turn_end() override { ++turns; }
    void on_closed(const ClosedEvent& event) override {
        ends.push_back(event.reason);
        detail = event.detail;
        code = event.code;
    }

    ConnectionId conn;
    std::vector<CloseReason> ends;
    std::string detail;
    std::uint32_t code = 0;
    int turns = 0;
};

class HalfClose : public testing::Test {
protected:
    void start(ListenerConfig listener, bool holds = false) {
        ServerConfig config;
        config.listeners = {std::move(listener)};
        auto handler = std::make_unique<LastSeen>();
        seen_ = handler.get();
        auto started = SimulatedGateway::start(config, std::move(handler));
        ASSERT_TRUE(started.ok()) << started.error().message;
        gateway_ = std::move(started).value();
        device_.emplace(gateway_->connect());
        device_->send("{\"ip\":\"10.0.0.1\"}\n");
        gateway_->advance(1s);
        if (holds) EXPECT_TRUE(gateway_->context().hold(seen_->conn));
        device_->half_close();
        gateway_->advance(1s);
        if (holds) EXPECT_TRUE(gateway_->context().release(seen_->conn));
    }
    void TearDown() override { device_.reset(); }
    SendOutcome send(std::string_view json) { return gateway_->context().send(seen_->conn, json); }

    std::unique_ptr<SimulatedGateway> gateway_;
    std::optional<SimulatedDevice> device_;
    LastSeen* seen_ = nullptr;
};

TEST_F(HalfClose, ByDefaultTheConnectionEndsAtOnce) {
    start({});
    EXPECT_THAT(seen_->ends, ElementsAre(CloseReason::peer_closed));
}

TEST_F(HalfClose, ThePeerGetsMessagesUntilTheTimeIsOver) {
    start({.read_idle = 5s, .half_close = 60s});
    for (int i = 0; i < 5; ++i) {
        gateway_->advance(10s);
        EXPECT_EQ(send(R"({"n":1})"), SendOutcome::queued) << i;
    }
    gateway_->advance(1s);
    EXPECT_EQ(device_->answers().size(), 5U);
    EXPECT_THAT(seen_->ends, IsEmpty()) << "neither read_idle nor the FIN ends it";
    gateway_->advance(10s);
    EXPECT_THAT(seen_->ends, ElementsAre(CloseReason::peer_closed));
    EXPECT_EQ(seen_->detail, "the time of half_close after the peer's FIN is over");
    EXPECT_EQ(device_->state(), DeviceState::closed);
}

TEST_F(HalfClose, TheGatewaySleepsInTheMeantime) {
    start({.half_close = 1h});
    const auto turns_of_a_minute = [&] {
        const int before = seen_->turns;
        gateway_->advance(1min);
        return seen_->turns - before;
    };
    const int half_closed = turns_of_a_minute();
    EXPECT_THAT(seen_->ends, IsEmpty());
    device_.emplace(gateway_->connect());
    EXPECT_TRUE(gateway_->context().close(seen_->conn));
    gateway_->advance(1s);
    ASSERT_EQ(gateway_->connections(), 1U);
    EXPECT_LE(half_closed, turns_of_a_minute() + 5) << "a half-closed connection wakes it more often than an open one";
}

TEST_F(HalfClose, TheTimeOfAnEarlierHoldDoesNotEndIt) {
    start({.half_close = 1h}, true);
    gateway_->advance(1min);
    EXPECT_THAT(seen_->ends, IsEmpty());
    EXPECT_EQ(send("{}"), SendOutcome::queued);
}

TEST_F(HalfClose, TheProgramsCloseHasItsReason) {
    start({.half_close = 1h});
    EXPECT_EQ(send(R"({"last":1})"), SendOutcome::queued);
    EXPECT_TRUE(gateway_->context().close(
        seen_->conn, {.reason = CloseReason::application, .code = 7, .detail = "done", .flush = true}));
    gateway_->advance(3s);
    EXPECT_THAT(seen_->ends, ElementsAre(CloseReason::application));
    EXPECT_EQ(seen_->code, 7U);
    EXPECT_EQ(seen_->detail, "done");
    EXPECT_THAT(device_->answers(), ElementsAre(R"({"last":1})"));
}

TEST_F(HalfClose, APeerThatVanishesIsFoundWithinTheBound) {
    start({.half_close = 1h});
    gateway_->advance(10min);
    EXPECT_THAT(seen_->ends, IsEmpty());
    device_->vanish();
    gateway_->advance(30s);
    EXPECT_THAT(seen_->ends, ElementsAre(CloseReason::keepalive_expired));
}

TEST_F(HalfClose, APeerThatVanishesWithDataInFlightIsFoundWithinTheBound) {
    start({.half_close = 1h});
    device_->vanish();
    EXPECT_EQ(send(R"({"n":1})"), SendOutcome::queued);
    gateway_->advance(30s);
    EXPECT_THAT(seen_->ends, ElementsAre(CloseReason::retransmit_expired));
}

TEST_F(HalfClose, AStrangerThatCannotAuthenticateAnyMoreIsNotKept) {
    start({.half_close = 1h, .authenticate_by_program = true});
    EXPECT_EQ(gateway_->connections(), 0U);
}

TEST_F(HalfClose, AResetEndsIt) {
    start({.half_close = 1h});
    device_->reset();
    gateway_->advance(100ms);
    EXPECT_THAT(seen_->ends, ElementsAre(CloseReason::peer_reset));
}

TEST_F(HalfClose, TheGatewaysStopEndsIt) {
    start({.half_close = 1h});
    gateway_->drain();
    gateway_->advance(6s);
    EXPECT_THAT(seen_->ends, ElementsAre(CloseReason::shutdown));
}

/// Holds at each item, and closes with a flush at the third.
class HoldsAndCloses final : public EventHandler {
public:
    void on_start(ReactorContext& context) override { context_ = &context; }
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent& event) override {
        ++items;
        EXPECT_TRUE(context_->hold(event.conn));
        if (items < 3) EXPECT_TRUE(context_->release(event.conn));
        if (items == 3) EXPECT_TRUE(context_->close(event.conn, {.reason = CloseReason::application, .flush = true}));
    }
    void on_closed(const ClosedEvent& event) override { ends.push_back(event.reason); }

    ReactorContext* context_ = nullptr;
    int items = 0;
    std::vector<CloseReason> ends;
};

TEST(HoldAndClose, WithinAnItemDeliversEachItemOnce) {
    auto handler = std::make_unique<HoldsAndCloses>();
    HoldsAndCloses& seen = *handler;
    auto gateway = std::move(SimulatedGateway::start({}, std::move(handler))).value();
    SimulatedDevice device = gateway->connect();
    std::string items;
    for (int i = 0; i < 5; ++i) items += "{\"ip\":\"10.0.0.1\"}\n";
    device.send(items);
    gateway->advance(10s);
    EXPECT_EQ(seen.items, 5);
    EXPECT_THAT(seen.ends, ElementsAre(CloseReason::application));
}

}  // namespace
}  // namespace holdfast
