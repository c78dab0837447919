#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/hello.h>
#include <holdfast/testing.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// Gives each connection the detect_within that its item's key names in seconds, and records the time of each end.
class PlanByKey final : public EventHandler {
public:
    explicit PlanByKey(std::map<std::string, milliseconds>& ends, const std::unique_ptr<SimulatedGateway>& gateway)
        : ends_(ends), gateway_(gateway) {}
    void on_start(ReactorContext& context) override { context_ = &context; }
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent& event) override {
        const int seconds = std::stoi(std::string(event.key));
        if (seconds > 0) given_ = context_->set_detect_within(event.conn, std::chrono::seconds(seconds));
        if (seconds < 0) given_ = context_->set_detect_within(event.conn, std::nullopt);
    }
    void on_closed(const ClosedEvent& event) override {
        if (gateway_ != nullptr) ends_[std::string(event.key)] = gateway_->now();
    }
    [[nodiscard]] bool given() const { return given_; }

private:
    std::map<std::string, milliseconds>& ends_;
    const std::unique_ptr<SimulatedGateway>& gateway_;
    ReactorContext* context_ = nullptr;
    bool given_ = false;
};

/// Lets each device in with the detect_within that its token names in seconds.
class PlanByToken final : public EventHandler {
public:
    void on_hello(const HelloEvent& event, const HelloDecision& decision) override {
        EXPECT_THROW(decision.accept({}, {.detect_within = 1s}), Misuse);
        decision.accept({}, {.detect_within = std::chrono::seconds(std::stoi(std::string(event.token)))});
    }
    void on_connected(const ConnectedEvent& event) override { connected.emplace_back(event.device.id); }
    void on_item(const ItemEvent&) override {}
    void on_closed(const ClosedEvent& event) override { closed.emplace_back(event.device.id); }

    std::vector<std::string> connected;
    std::vector<std::string> closed;
};

class OwnPlans : public testing::Test {
protected:
    OwnPlans() {
        ServerConfig config;
        config.listeners[0].read_idle = std::nullopt;
        auto handler = std::make_unique<PlanByKey>(ends_, gateway_);
        handler_ = handler.get();
        auto started = SimulatedGateway::start(config, std::move(handler));
        EXPECT_TRUE(started.ok());
        gateway_ = std::move(started).value();
    }
    ~OwnPlans() override { gateway_.reset(); }
    [[nodiscard]] SimulatedDevice device(const std::string& key) {
        SimulatedDevice made = gateway_->connect();
        send(made, key);
        return made;
    }
    void send(SimulatedDevice& device, const std::string& key) {
        device.send("{\"ip\":\"" + key + "\"}\n");
        gateway_->advance(100ms);
    }
    /// Returns the time of the end after `since`.
    [[nodiscard]] milliseconds found_after(const std::string& key, milliseconds since) {
        EXPECT_TRUE(gateway_->advance_until([&] { return ends_.contains(key); }, 2h)) << key;
        return ends_[key] - since;
    }

    std::map<std::string, milliseconds> ends_;
    std::unique_ptr<SimulatedGateway> gateway_;
    PlanByKey* handler_ = nullptr;
};

TEST_F(OwnPlans, EachSilentPeerIsFoundWithinItsOwnBound) {
    SimulatedDevice fast = device("5");
    SimulatedDevice usual = device("0");
    SimulatedDevice slow = device("300");
    gateway_->advance(10min);
    EXPECT_THAT(ends_, testing::IsEmpty()) << "living devices stay";
    for (SimulatedDevice* each : {&fast, &usual, &slow}) each->vanish();
    const milliseconds gone = gateway_->now();
    EXPECT_LE(found_after("5", gone), 5s);
    const milliseconds by_listener = found_after("0", gone);
    EXPECT_LE(by_listener, 30s);
    EXPECT_GT(by_listener, 5s);
    const milliseconds by_own = found_after("300", gone);
    EXPECT_LE(by_own, 300s);
    EXPECT_GT(by_own, 60s);
}

TEST_F(OwnPlans, APeerWithDataInFlightIsFoundWithinItsOwnBound) {
    SimulatedDevice fast = device("5");
    SimulatedDevice slow = device("60");
    fast.vanish();
    slow.vanish();
    const milliseconds gone = gateway_->now();
    for (const ClosedLife& life : gateway_->closed()) ADD_FAILURE() << life.key;
    gateway_->advance(500ms);
    EXPECT_LE(found_after("5", gone), 5s);
    EXPECT_LE(found_after("60", gone), 60s);
}

TEST_F(OwnPlans, ALivingPeerThatWasQuietForLongSurvivesAShorterPlan) {
    SimulatedDevice quiet = device("300");
    gateway_->advance(150s);  // no packet for far longer than the next plan allows
    send(quiet, "5");
    gateway_->advance(10min);
    EXPECT_THAT(ends_, testing::IsEmpty());
    quiet.vanish();
    EXPECT_LE(found_after("5", gateway_->now()), 5s);
}

TEST_F(OwnPlans, TheListenersPlanReturns) {
    SimulatedDevice device = this->device("300");
    send(device, "-1");
    EXPECT_TRUE(handler_->given());
    device.vanish();
    EXPECT_LE(found_after("-1", gateway_->now()), 30s);
}

TEST_F(OwnPlans, ASlotsNextConnectionHasItsListenersPlan) {
    SimulatedDevice first = device("300");
    first.close();
    gateway_->advance(1s);
    SimulatedDevice next = device("0");
    next.vanish();
    EXPECT_LE(found_after("0", gateway_->now()), 30s);
}

TEST_F(OwnPlans, SixtyFourValuesFitAndUnusedOnesAreReplaced) {
    std::vector<SimulatedDevice> devices;
    for (int i = 0; i < 64; ++i) devices.push_back(device(std::to_string(100 + i)));
    EXPECT_TRUE(handler_->given());
    SimulatedDevice one_more = device("1000");
    EXPECT_FALSE(handler_->given());
    SimulatedDevice same = device("100");
    EXPECT_TRUE(handler_->given());
    devices[1].close();
    gateway_->advance(1s);
    send(one_more, "1000");
    EXPECT_TRUE(handler_->given());
}

TEST_F(OwnPlans, ValuesOutOfRangeAreMistakes) {
    SimulatedDevice some = device("0");
    ReactorContext& context = gateway_->context();
    EXPECT_THROW(context.set_detect_within({}, 1s), Misuse);
    EXPECT_THROW(context.set_detect_within({}, 2h), Misuse);
    EXPECT_FALSE(context.set_detect_within({}, 30s));
}

TEST(OwnPlansOfHellos, ADeviceComesInWithItsBound) {
    ServerConfig config;
    config.listeners[0].read_idle = std::nullopt;
    config.listeners[0].authenticate_by_program = true;
    auto handler = std::make_unique<PlanByToken>();
    PlanByToken& seen = *handler;
    auto gateway = std::move(SimulatedGateway::start(config, std::move(handler))).value();
    SimulatedDevice fast = gateway->connect();
    fast.send("{\"hello\":{\"id\":\"fast\",\"token\":\"5\"}}\n");
    SimulatedDevice slow = gateway->connect();
    slow.send("{\"hello\":{\"id\":\"slow\",\"token\":\"300\"}}\n");
    gateway->advance(1min);
    EXPECT_THAT(seen.connected, testing::UnorderedElementsAre("fast", "slow"));
    fast.vanish();
    slow.vanish();
    gateway->advance(5s);
    EXPECT_THAT(seen.closed, testing::ElementsAre("fast"));
    gateway->advance(1min);
    EXPECT_THAT(seen.closed, testing::ElementsAre("fast"));
    gateway->advance(4min);
    EXPECT_THAT(seen.closed, testing::ElementsAre("fast", "slow"));
}

}  // namespace
}  // namespace holdfast
