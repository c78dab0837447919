#include "trend/event_hub.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "testing/manual_clock.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

constexpr EventHub::Kinds samples = EventHub::bit(FeedKind::sample);

/// Returns the next message as "kind json", or an empty text if none is queued. Does not wait.
std::string take(EventHub::Subscription& from) {
    const auto message = from.next();
    return message ? std::string(to_string(message->kind)) + " " + message->json : "";
}

TEST(EventHub, PublishesEachMessageToSubscribersOfItsKind) {
    EventHub hub;
    const auto first = hub.subscribe(samples | EventHub::bit(FeedKind::item));
    const auto second = hub.subscribe(samples);
    hub.publish(FeedKind::sample, "{\"a\":1}");
    hub.publish(FeedKind::item, "{\"b\":2}");
    hub.publish(FeedKind::alarm, "{\"c\":3}");
    EXPECT_EQ(take(*first), "sample {\"a\":1}");
    EXPECT_EQ(take(*first), "item {\"b\":2}");
    EXPECT_EQ(take(*first), "");
    EXPECT_EQ(take(*second), "sample {\"a\":1}");
    EXPECT_EQ(take(*second), "");
}

TEST(EventHub, WantsOnlyKindsWithASubscriber) {
    EventHub hub;
    for (const FeedKind kind : all_feed_kinds) EXPECT_FALSE(hub.wanted(kind));
    auto first = hub.subscribe(samples | EventHub::bit(FeedKind::item));
    auto second = hub.subscribe(samples);
    EXPECT_TRUE(hub.wanted(FeedKind::item));
    EXPECT_FALSE(hub.wanted(FeedKind::alarm));
    first.reset();
    EXPECT_FALSE(hub.wanted(FeedKind::item));
    EXPECT_TRUE(hub.wanted(FeedKind::sample));
    second.reset();
    EXPECT_FALSE(hub.wanted(FeedKind::sample));
}

TEST(EventHub, TakesSoManySubscribersAndNoMore) {
    EventHub hub;
    std::vector<std::unique_ptr<EventHub::Subscription>> all;
    for (std::size_t i = 0; i < EventHub::max_subscribers; ++i) {
        all.push_back(hub.subscribe(samples));
        ASSERT_NE(all.back(), nullptr);
    }
    EXPECT_EQ(hub.subscribe(samples), nullptr);
    all.pop_back();
    EXPECT_NE(hub.subscribe(samples), nullptr);
}

TEST(EventHub, ReportsToASlowSubscriberHowManyItMissedWhereItMissedThem) {
    EventHub hub;
    const auto slow = hub.subscribe(samples);
    hub.publish(FeedKind::sample, "first");
    EXPECT_EQ(take(*slow), "sample first");
    for (std::size_t i = 0; i < EventHub::max_waiting + 10; ++i) hub.publish(FeedKind::sample, std::to_string(i));
    EXPECT_EQ(take(*slow), "skipped {\"skipped\":10}");
    for (std::size_t i = 10; i < EventHub::max_waiting + 10; ++i) {
        ASSERT_EQ(take(*slow), "sample " + std::to_string(i));
    }
    EXPECT_EQ(take(*slow), "");
}

TEST(EventHub, CountsAsMissedOnlyWhatASubscriberWants) {
    EventHub hub;
    const auto slow = hub.subscribe(samples);
    const auto other = hub.subscribe(EventHub::bit(FeedKind::item));
    hub.publish(FeedKind::sample, "{}");
    hub.skip(FeedKind::sample, 5);
    for (std::size_t i = 0; i < EventHub::max_waiting; ++i) hub.publish(FeedKind::item, "{}");
    EXPECT_EQ(take(*slow), "skipped {\"skipped\":6}");
    EXPECT_EQ(take(*slow), "");
    hub.publish(FeedKind::sample, "later");
    EXPECT_EQ(take(*slow), "sample later");
}

TEST(EventHub, HoldsSoManyBytesButAlwaysOneMessage) {
    EventHub hub;
    const auto slow = hub.subscribe(samples);
    hub.publish(FeedKind::sample, "small");
    hub.publish(FeedKind::sample, std::string(2 * EventHub::max_waiting_bytes, 'x'));
    EXPECT_EQ(take(*slow), "skipped {\"skipped\":1}");
    EXPECT_EQ(take(*slow).size(), 2 * EventHub::max_waiting_bytes + 7);
    for (int i = 0; i < 9; ++i) hub.publish(FeedKind::sample, std::string(EventHub::max_waiting_bytes / 8, 'x'));
    EXPECT_EQ(take(*slow), "skipped {\"skipped\":1}");
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(take(*slow).starts_with("sample x"));
    EXPECT_EQ(take(*slow), "");
}

TEST(EventHub, WakesWaitersOfWantedMessages) {
    EventHub hub;
    int woken = 0;
    auto wake = hub.on_message([&] { ++woken; });
    hub.publish(FeedKind::sample, "{}");
    EXPECT_EQ(woken, 0);
    const auto wants = hub.subscribe(samples);
    hub.publish(FeedKind::sample, "{}");
    hub.skip(FeedKind::sample, 1);
    hub.publish(FeedKind::item, "{}");
    EXPECT_EQ(woken, 2);
    wake.reset();
    hub.publish(FeedKind::sample, "{}");
    EXPECT_EQ(woken, 2);
}

TEST(EventHub, MessagesThatWereNeverMadeAreReported) {
    EventHub hub;
    const auto wants = hub.subscribe(samples | EventHub::bit(FeedKind::item));
    const auto does_not = hub.subscribe(samples);
    hub.skip(FeedKind::item, 7);
    hub.skip(FeedKind::item, 10);
    EXPECT_EQ(take(*wants), "skipped {\"skipped\":17}");
    EXPECT_EQ(take(*wants), "");
    hub.skip(FeedKind::item, 1);
    hub.publish(FeedKind::item, "next");
    EXPECT_EQ(take(*wants), "skipped {\"skipped\":1}");
    EXPECT_EQ(take(*wants), "item next");
    EXPECT_EQ(take(*does_not), "");
}

TEST(EventHub, NoMessageIsLostUncountedBetweenThreads) {
    EventHub hub;
    constexpr std::uint64_t each = 20'000;
    const auto watcher = hub.subscribe(samples);
    std::atomic<int> publishing{4};
    std::vector<std::jthread> publishers;
    for (int i = 0; i < 4; ++i) {
        publishers.emplace_back([&] {
            for (std::uint64_t n = 0; n < each; ++n) hub.publish(FeedKind::sample, "{}");
            --publishing;
        });
    }
    std::jthread coming_and_going([&] {
        while (publishing > 0) {
            const auto passing = hub.subscribe(samples);
            (void)passing->next();
        }
    });
    std::uint64_t seen = 0;
    for (bool ended = false; !ended;) {
        ended = publishing == 0;
        while (const auto message = watcher->next()) {
            seen += message->kind == FeedKind::sample ? 1 : std::stoull(message->json.substr(11));
        }
    }
    EXPECT_EQ(seen, 4 * each);
}

constexpr EventHub::Kinds items = EventHub::bit(FeedKind::item);

FeedSubject subject(std::string_view id, std::string_view key, const char* peer) {
    return {id, key, parse_ip_address(peer).value()};
}

TEST(EventHub, AFilterSelectsByDeviceKeyAndPeer) {
    EventHub hub;
    const auto by_id = hub.subscribe({.kinds = items | samples, .filter = {.id = "shop-*"}});
    const auto by_peer = hub.subscribe({.kinds = items, .filter = {.peer = parse_prefix("10.2.0.0/16").value()}});
    const auto by_both = hub.subscribe({.kinds = items, .filter = {.id = "shop-1", .key = "k"}});
    hub.publish(FeedKind::item, "1", subject("shop-1", "k", "10.2.0.9"));
    hub.publish(FeedKind::item, "2", subject("shop-2", "k", "10.3.0.9"));
    hub.publish(FeedKind::item, "3", subject("van-1", "k", "10.2.0.8"));
    hub.publish(FeedKind::sample, "{}");
    EXPECT_EQ(take(*by_id), "item 1");
    EXPECT_EQ(take(*by_id), "item 2");
    EXPECT_EQ(take(*by_id), "");
    EXPECT_EQ(take(*by_peer), "item 1");
    EXPECT_EQ(take(*by_peer), "item 3");
    EXPECT_EQ(take(*by_peer), "");
    EXPECT_EQ(take(*by_both), "item 1");
    EXPECT_EQ(take(*by_both), "");
}

TEST(EventHub, APublisherLearnsWhatAFilterSelects) {
    EventHub hub;
    EventHub::Interests interests;
    EXPECT_EQ(hub.interest(FeedKind::item, subject("d", "k", "10.2.0.9"), interests), EventHub::Interest::none);
    auto chosen = hub.subscribe({.kinds = items, .filter = {.id = "d"}});
    EXPECT_EQ(hub.interest(FeedKind::item, subject("d", "k", "10.2.0.9"), interests), EventHub::Interest::chosen);
    EXPECT_EQ(hub.interest(FeedKind::item, subject("e", "k", "10.2.0.9"), interests), EventHub::Interest::none);
    const auto all = hub.subscribe(items);
    EXPECT_EQ(hub.interest(FeedKind::item, subject("e", "k", "10.2.0.9"), interests), EventHub::Interest::any);
    chosen.reset();
    EXPECT_EQ(hub.interest(FeedKind::item, subject("d", "k", "10.2.0.9"), interests), EventHub::Interest::any);
}

TEST(EventHub, MessagesThatNoFilterSelectsAreNotMissedByIt) {
    EventHub hub;
    const auto chosen = hub.subscribe({.kinds = items, .filter = {.id = "d"}});
    const auto all = hub.subscribe(items);
    hub.skip(FeedKind::item, 7);
    EXPECT_EQ(take(*chosen), "");
    EXPECT_EQ(take(*all), "skipped {\"skipped\":7}");
    hub.skip(FeedKind::item, 3, EventHub::Interest::chosen);
    EXPECT_EQ(take(*chosen), "skipped {\"skipped\":3}");
}

/// A subscriber that may come back.
class ResumedFeed : public testing::Test {
protected:
    EventHub::Wish wish(std::string after = {}) {
        return {.kinds = items, .filter = {.id = "d"}, .after = std::move(after), .resumable = true};
    }
    void publish(int number) { hub_.publish(FeedKind::item, std::to_string(number), subject("d", "k", "10.2.0.9")); }
    ManualClock clock_;
    EventHub hub_{&clock_};
};

TEST_F(ResumedFeed, GoesOnBehindTheLastMessageWithoutAGap) {
    auto first = hub_.subscribe(wish());
    publish(1);
    publish(2);
    const auto one = first->next();
    ASSERT_TRUE(one);
    first.reset();
    EXPECT_TRUE(hub_.wanted(FeedKind::item));
    publish(3);
    const auto second = hub_.subscribe(wish(one->id));
    EXPECT_EQ(take(*second), "item 2");
    EXPECT_EQ(take(*second), "item 3");
    EXPECT_EQ(take(*second), "");
}

TEST_F(ResumedFeed, ReportsAGapAfterTooLong) {
    auto first = hub_.subscribe(wish());
    publish(1);
    const auto one = first->next();
    first.reset();
    clock_.advance(EventHub::resumable_for + 1s);
    publish(2);
    EXPECT_FALSE(hub_.wanted(FeedKind::item));
    const auto second = hub_.subscribe(wish(one->id));
    publish(3);
    EXPECT_EQ(take(*second), "skipped {\"skipped\":0,\"gap\":true}");
    EXPECT_EQ(take(*second), "item 3");
}

TEST_F(ResumedFeed, ReportsAGapForAnotherProcessAnotherFilterAndAFullRing) {
    auto first = hub_.subscribe(wish());
    publish(1);
    const auto one = first->next();
    const std::string gap = "skipped {\"skipped\":0,\"gap\":true}";
    for (const std::string after : {"0-0", "nonsense", "ffffffff-ffffffffffffffff"}) {
        EXPECT_EQ(take(*hub_.subscribe(wish(after))), gap) << after;
    }
    EventHub::Wish other = wish(one->id);
    other.filter.id = "e";
    EXPECT_EQ(take(*hub_.subscribe(other)), gap);
    for (std::size_t i = 0; i < EventHub::max_waiting + 1; ++i) publish(2);
    EXPECT_EQ(take(*hub_.subscribe(wish(one->id))), gap);
}

TEST_F(ResumedFeed, TheDepartedAreBounded) {
    for (std::size_t i = 0; i < 3 * EventHub::max_departed; ++i) hub_.subscribe(wish()).reset();
    EXPECT_TRUE(hub_.wanted(FeedKind::item));
    clock_.advance(EventHub::resumable_for);
    publish(1);
    EXPECT_FALSE(hub_.wanted(FeedKind::item));
}

}  // namespace
}  // namespace holdfast
