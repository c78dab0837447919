#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <holdfast/testing.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

/// Holds or closes its connection at the item "2".
class StopsAtTwo final : public EventHandler {
public:
    explicit StopsAtTwo(bool closes) : closes_(closes) {}
    void on_start(ReactorContext& context) override { context_ = &context; }
    void on_connected(const ConnectedEvent&) override {}
    void on_item(const ItemEvent& event) override {
        conn = event.conn;
        keys.emplace_back(event.key);
        if (event.key != "2") return;
        EXPECT_TRUE(closes_ ? context_->close(conn, {.reason = CloseReason::application}) : context_->hold(conn));
    }
    void on_closed(const ClosedEvent& event) override { detail = event.detail; }

    ConnectionId conn;
    std::vector<std::string> keys;
    std::string detail;

private:
    const bool closes_;
    ReactorContext* context_ = nullptr;
};

class Batches : public testing::TestWithParam<Framing> {
protected:
    void start(bool closes) {
        ServerConfig config;
        config.listeners[0].framing = GetParam();
        config.listeners[0].arrays = true;
        auto handler = std::make_unique<StopsAtTwo>(closes);
        seen_ = handler.get();
        gateway_ = std::move(SimulatedGateway::start(config, std::move(handler))).value();
        device_.emplace(gateway_->connect());
        gateway_->advance(10ms);
    }
    void TearDown() override { device_.reset(); }
    void send(const std::string& text) {
        std::string framed = text;
        if (GetParam() == Framing::length) framed.insert(0, {0, 0, 0, static_cast<char>(text.size())});
        device_->send(framed + (GetParam() == Framing::ndjson ? "\n" : ""));
        gateway_->advance(1s);
    }

    std::unique_ptr<SimulatedGateway> gateway_;
    std::optional<SimulatedDevice> device_;
    StopsAtTwo* seen_ = nullptr;
};

constexpr const char* four = R"([{"ip":"1"}, {"ip":"2"} , {"ip":"3"},{"ip":"4"}])";

TEST_P(Batches, ACloseEndsTheArrayAtItsItem) {
    start(true);
    send(four);
    EXPECT_THAT(seen_->keys, ElementsAre("1", "2"));
    EXPECT_EQ(gateway_->connections(), 0U);
    EXPECT_EQ(seen_->detail, GetParam() == Framing::ndjson ? "25 bytes were left unread" : "24 bytes were left unread");
}

TEST_P(Batches, AHoldKeepsTheRestOfTheArray) {
    start(false);
    send(four);
    send(R"({"ip":"5"})");
    if (GetParam() == Framing::length) {  // its length counts the whole array
        EXPECT_THAT(seen_->keys, ElementsAre("1", "2", "3", "4"));
    } else {
        EXPECT_THAT(seen_->keys, ElementsAre("1", "2"));
    }
    EXPECT_TRUE(gateway_->context().release(seen_->conn));
    gateway_->advance(1s);
    EXPECT_THAT(seen_->keys, ElementsAre("1", "2", "3", "4", "5"));
}

TEST_P(Batches, AHoldAtTheLastElementIsThatOfItsFrame) {
    start(false);
    send(R"([{"ip":"1"},{"ip":"2"} ])");
    send(R"([{"ip":"3"}])");
    EXPECT_THAT(seen_->keys, ElementsAre("1", "2"));
    EXPECT_TRUE(gateway_->context().release(seen_->conn));
    gateway_->advance(1s);
    EXPECT_THAT(seen_->keys, ElementsAre("1", "2", "3"));
}

TEST_P(Batches, TheEndOfTheConnectionDeliversTheRestOfAHeldArray) {
    start(false);
    send(four);
    device_->close();
    gateway_->advance(15s);
    EXPECT_THAT(seen_->keys, ElementsAre("1", "2", "3", "4"));
}

TEST_P(Batches, AnArrayWithoutALineEndIsDeliveredWhole) {
    start(false);
    device_->send(GetParam() == Framing::length ? std::string{0, 0, 0, 48} + four : four);
    device_->close();
    gateway_->advance(15s);
    EXPECT_THAT(seen_->keys, ElementsAre("1", "2", "3", "4"));
}

INSTANTIATE_TEST_SUITE_P(Framings, Batches, testing::Values(Framing::ndjson, Framing::json, Framing::length),
                         [](const auto& each) { return std::string(to_string(each.param)); });

}  // namespace
}  // namespace holdfast
