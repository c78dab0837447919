#include "trend/event_hub.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace holdfast
