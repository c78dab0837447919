#include "daemon/event_tap.h"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "codec/event_writer.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

/// The events of the sink's handler as the sink would write them.
struct Written {
    std::vector<std::string> lines;
    int turns = 0;
    int refused = 0;
    int bad = 0;
    bool ready = true;
};

class WritingHandler final : public EventHandler, public Durable {
public:
    explicit WritingHandler(Written& to) : to_(to) {}
    void on_connected(const ConnectedEvent& event) override {
        writer_.append_connected(to_.lines.emplace_back(), event);
    }
    void on_item(const ItemEvent& event) override { writer_.append_item(to_.lines.emplace_back(), event); }
    void on_closed(const ClosedEvent& event) override { writer_.append_closed(to_.lines.emplace_back(), event); }
    void on_identified(const IdentifiedEvent& event) override {
        writer_.append_identified(to_.lines.emplace_back(), event);
    }
    void on_refused(const RefusedItem&) override { ++to_.refused; }
    void on_bad_item(const BadItemEvent&) override { ++to_.bad; }
    void on_turn_end() override { ++to_.turns; }
    bool ready() override { return to_.ready; }
    Durable* durable() override { return this; }
    void on_durable_change(std::function<void(std::uint64_t)>) override {}
    void look_up(const DeviceName&, std::function<void(std::uint64_t)>) override {}

private:
    Written& to_;
    EventWriter writer_;
};

class EventTapTest : public testing::Test {
protected:
    void item(std::uint64_t n) {
        tap_->on_item({.conn = conn_,
                       .listener = "devices",
                       .peer = peer_,
                       .n = n,
                       .key = "10.20.30.40",
                       .item = "{\"ip\":\"10.20.30.40\",\n\r\"x\": 1}",
                       .at = at_});
    }
    void connected() { tap_->on_connected({conn_, "devices", peer_, at_}); }
    void closed() {
        ClosedEvent event;
        event.conn = conn_;
        event.listener = "devices";
        event.peer = peer_;
        event.reason = CloseReason::peer_reset;
        event.error = ECONNRESET;
        event.items = 1;
        event.duration = 61'400ms;
        event.at = at_;
        tap_->on_closed(event);
    }

    std::unique_ptr<EventHub::Subscription> follow(std::initializer_list<FeedKind> kinds) {
        EventHub::Kinds all = 0;
        for (const FeedKind kind : kinds) all |= EventHub::bit(kind);
        return hub_.subscribe(all);
    }

    void bad_item() {
        tap_->on_bad_item({{.kind = BadItem::no_key, .head = {}, .detail = {}, .at = at_}, conn_, "devices", peer_});
    }
    void identified() { tap_->on_identified({conn_, "devices", peer_, {"device-17", "boot-42"}, at_}); }

    EventHub hub_;
    Written written_;
    std::unique_ptr<EventHandler> tap_ = tap_events(std::make_unique<WritingHandler>(written_), hub_);
    ConnectionId conn_{0x7f2c91a0, 1};
    Endpoint peer_ = parse_endpoint("10.2.0.9:51514").value();
    EventTime at_{1'795'334'400'123ms};
};

TEST_F(EventTapTest, EveryCallReachesTheSinksHandler) {
    connected();
    item(1);
    closed();
    identified();
    tap_->on_refused({conn_, {"device-17", "boot-42"}, 3});
    bad_item();
    tap_->on_turn_end();
    EXPECT_EQ(written_.lines.size(), 4U);
    EXPECT_EQ(written_.bad, 1);
    EXPECT_EQ(written_.refused, 1);
    EXPECT_NE(dynamic_cast<WritingHandler*>(tap_->durable()), nullptr);
    EXPECT_EQ(written_.turns, 1);
    EXPECT_TRUE(tap_->ready());
    written_.ready = false;
    EXPECT_FALSE(tap_->ready());
}

TEST_F(EventTapTest, ShowsTheSinksVeryLines) {
    const auto feed = follow({FeedKind::connected, FeedKind::item, FeedKind::closed});
    connected();
    item(1);
    closed();
    ASSERT_EQ(written_.lines.size(), 3U);
    for (const FeedKind kind : {FeedKind::connected, FeedKind::item, FeedKind::closed}) {
        const auto message = feed->next();
        ASSERT_TRUE(message);
        EXPECT_EQ(message->kind, kind);
        EXPECT_EQ(message->json + "\n", written_.lines.front());
        EXPECT_EQ(message->json.find_first_of("\r\n"),
                  std::string::npos);  // either would end the line of a server-sent event
        written_.lines.erase(written_.lines.begin());
    }
    EXPECT_FALSE(feed->next());
}

TEST_F(EventTapTest, ShowsABadItemThatTheSinkDoesNotWrite) {
    const auto feed = follow({FeedKind::bad_item});
    bad_item();
    const auto message = feed->next();
    ASSERT_TRUE(message);
    EXPECT_NE(message->json.find(R"({"event":"bad_item","conn":"7f2c91a0-1")"), std::string::npos) << message->json;
    EXPECT_NE(message->json.find(R"("kind":"no_key")"), std::string::npos) << message->json;
    EXPECT_TRUE(written_.lines.empty());
}

TEST_F(EventTapTest, ShowsAnIdentifiedDeviceAmongTheConnected) {
    const auto feed = follow({FeedKind::connected});
    identified();
    const auto message = feed->next();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, FeedKind::connected);
    EXPECT_EQ(message->json + "\n", written_.lines.front());
}

TEST_F(EventTapTest, ShowsOnlyWhatIsWanted) {
    const auto feed = follow({FeedKind::closed});
    connected();
    item(1);
    closed();
    EXPECT_EQ(feed->next()->kind, FeedKind::closed);
    EXPECT_FALSE(feed->next());
}

TEST_F(EventTapTest, BeyondTheLimitOfASecondItOnlyCounts) {
    const auto feed = follow({FeedKind::item, FeedKind::closed});
    for (std::uint64_t n = 1; n <= max_tapped_per_second + 50; ++n) item(n);
    closed();  // another kind has its own limit
    tap_->on_turn_end();
    for (std::uint64_t n = 0; n < max_tapped_per_second; ++n) ASSERT_EQ(feed->next()->kind, FeedKind::item);
    EXPECT_EQ(feed->next()->kind, FeedKind::closed);
    EXPECT_EQ(feed->next()->json, "{\"skipped\":50}");
    item(300);
    tap_->on_turn_end();
    EXPECT_EQ(feed->next()->json, "{\"skipped\":1}");
    EXPECT_FALSE(feed->next());
    at_ += 1s;
    item(301);
    EXPECT_EQ(feed->next()->kind, FeedKind::item);
    EXPECT_EQ(written_.lines.size(), max_tapped_per_second + 53);
}

}  // namespace
}  // namespace holdfast
