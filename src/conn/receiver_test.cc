#include "conn/receiver.h"

#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

TEST(Receiver, ForwardsLinesAndKeepsTheUnfinishedRest) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.send(fd, "a\nb");
    rig.turn();
    EXPECT_THAT(rig.handler.items, ElementsAre("a"));
    ASSERT_NE(rig.find(fd)->unfinished, nullptr);
    rig.kernel.send(fd, "c\n");
    rig.turn();
    EXPECT_THAT(rig.handler.items, ElementsAre("a", "bc"));
    EXPECT_EQ(rig.find(fd)->unfinished, nullptr);
    EXPECT_EQ(rig.find(fd)->bytes_in, 5U);
}

TEST(Receiver, AFinAfterTheLastLineClosesAndHandsTheRestOver) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.send(fd, "a\nrest");
    rig.kernel.finish(fd);
    rig.turn();
    EXPECT_THAT(rig.handler.items, ElementsAre("a", "rest"));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_closed));
    EXPECT_TRUE(rig.kernel.is_closed(fd));
}

TEST(Receiver, AResetIsSeenAtOnce) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.reset(fd);
    rig.turn();
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_reset));
    EXPECT_EQ(rig.handler.closed[0].second.error, ECONNRESET);
}

TEST(Receiver, ReadsNothingWhileTheHandlerIsNotReady) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.handler.is_ready = false;
    rig.kernel.send(fd, "a\n");
    rig.pass(std::chrono::seconds(60));
    EXPECT_THAT(rig.handler.items, ElementsAre());
    EXPECT_EQ(rig.kernel.unread(fd), 2U);
    EXPECT_EQ(rig.shard.counters().reading_paused.get(), 1U);
    rig.handler.is_ready = true;
    rig.pass(std::chrono::milliseconds(100));
    EXPECT_THAT(rig.handler.items, ElementsAre("a"));
    EXPECT_EQ(rig.shard.counters().reading_paused.get(), 0U);
    EXPECT_THAT(rig.reasons(), ElementsAre());
}

TEST(Receiver, AHeldConnectionIsReadAfterItsRelease) {
    ShardRig rig;
    rig.handler.holds = true;
    const int fd = rig.connect();
    rig.kernel.send(fd, "hello\nitem\n");
    rig.turn();
    EXPECT_THAT(rig.handler.items, ElementsAre("hello"));
    rig.kernel.send(fd, "more\n");
    rig.turn();
    EXPECT_EQ(rig.kernel.unread(fd), 5U);
    rig.handler.holds = false;
    rig.shard.release(*rig.find(fd));
    rig.turn();
    EXPECT_THAT(rig.handler.items, ElementsAre("hello", "item", "more"));
}

TEST(Receiver, AFinBehindAHoldEndsTheConnectionAfterTenSeconds) {
    ShardRig rig;
    rig.handler.holds = true;
    const int fd = rig.connect();
    rig.kernel.send(fd, "hello\nitem\n");
    rig.turn();
    rig.kernel.finish(fd);
    rig.pass(std::chrono::milliseconds(9'900));
    EXPECT_EQ(rig.handler.ended_while_held.size(), 1U);
    EXPECT_EQ(rig.handler.ended_while_held[0].second, EndedBy::peer);
    EXPECT_THAT(rig.reasons(), ElementsAre());
    rig.pass(std::chrono::milliseconds(300));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_closed));
}

TEST(Receiver, APeerThatHasSentFinStaysUntilItsAnswersAreSent) {
    ShardRig rig;
    rig.handler.owes = true;
    const int fd = rig.connect();
    rig.kernel.send(fd, "a\nrest");
    rig.kernel.finish(fd);
    rig.pass(std::chrono::milliseconds(9'000));
    EXPECT_THAT(rig.handler.items, ElementsAre("a", "rest")) << "the last bytes are taken once";
    EXPECT_THAT(rig.reasons(), ElementsAre());
    EXPECT_TRUE(rig.shard.ends_when_read(*rig.find(fd)));
    rig.handler.owes = false;
    rig.shard.answered(*rig.find(fd));
    rig.turn();
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_closed));
    EXPECT_EQ(rig.handler.closed[0].second.detail, "");
}

TEST(Receiver, AnswersAreAwaitedForTenSeconds) {
    ShardRig rig;
    rig.handler.owes = true;
    const int fd = rig.connect();
    rig.kernel.finish(fd);
    rig.pass(std::chrono::milliseconds(9'900));
    EXPECT_THAT(rig.reasons(), ElementsAre());
    rig.pass(std::chrono::milliseconds(300));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_closed));
    EXPECT_THAT(rig.handler.closed[0].second.detail, testing::HasSubstr("not sent"));
}

TEST(Receiver, APeerThatClosedAltogetherIsNotAwaited) {
    ShardRig rig;
    rig.handler.owes = true;
    const int fd = rig.connect();
    rig.kernel.finish(fd);
    rig.turn();
    rig.kernel.reset(fd);
    rig.turn();
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_closed)) << "the first end decides the reason";
}

TEST(Receiver, AStopEndsTheWaitForAnswers) {
    ShardRig rig;
    rig.handler.owes = true;
    const int fd = rig.connect();
    rig.kernel.finish(fd);
    rig.turn();
    rig.shard.close(*rig.find(fd), CloseReason::shutdown);
    rig.turn();
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_closed));
}

TEST(Receiver, AConnectionThatAlwaysHasMoreLeavesTheTurnToOthers) {
    ShardRig rig;
    const int greedy = rig.connect("192.0.2.1:1000");
    const int modest = rig.connect("192.0.2.2:1000");
    rig.kernel.send(greedy, std::string(1 << 20, '\n'));
    rig.kernel.send(modest, "a\n");
    rig.turn();
    EXPECT_GT(rig.kernel.unread(greedy), 0U);
    EXPECT_EQ(rig.kernel.unread(modest), 0U);
    while (rig.kernel.unread(greedy) > 0) rig.turn();
    EXPECT_EQ(rig.handler.items.size(), (1U << 20) + 1);
}

TEST(Receiver, WhatArrivedIsReadBeforeASupersededConnectionCloses) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.send(fd, "last\n");
    rig.shard.close_after_reading(*rig.find(fd), CloseReason::superseded);
    rig.turn();
    EXPECT_THAT(rig.handler.items, ElementsAre("last"));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::superseded));
    EXPECT_FALSE(rig.kernel.was_reset(fd));
}

}  // namespace
}  // namespace holdfast
