#include "conn/drainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(Drainer, AStopSendsFinAndReadsUntilThePeerHasSeenIt) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.send(fd, "before\n");
    rig.shard.drain({.deadline = rig.reactor.now() + seconds(5)});
    rig.turn();
    EXPECT_TRUE(rig.kernel.has_sent_fin(fd));
    EXPECT_FALSE(rig.kernel.is_closed(fd));
    rig.kernel.send(fd, "behind\n");
    rig.pass(milliseconds(1'000));
    EXPECT_THAT(rig.handler.items, ElementsAre("before", "behind"));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::shutdown));
    EXPECT_TRUE(rig.kernel.is_closed(fd));
}

TEST(Drainer, APeerThatFinishesFirstIsStillClosedByTheStop) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.shard.drain({.deadline = rig.reactor.now() + seconds(5)});
    rig.turn();
    rig.kernel.finish(fd);
    rig.turn();
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::shutdown)) << "the first reason wins";
}

TEST(Drainer, DevicesGetATimeToComeBack) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.shard.drain({.deadline = rig.reactor.now() + seconds(5),
                     .goodbye = [](const Connection&, milliseconds) { return std::string("goodbye\n"); }});
    rig.turn();
    EXPECT_EQ(rig.kernel.sent(fd), "goodbye\n");
    EXPECT_TRUE(rig.kernel.has_sent_fin(fd));
}

TEST(Drainer, FromTheDeadlineOnNothingMoreIsRead) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.handler.is_ready = false;
    rig.kernel.send(fd, "late\n");
    rig.shard.drain({.deadline = rig.reactor.now() + seconds(1)});
    rig.pass(milliseconds(900));
    EXPECT_THAT(rig.reasons(), IsEmpty());
    rig.pass(milliseconds(300));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::shutdown));
    EXPECT_THAT(rig.handler.items, IsEmpty());
}

TEST(Drainer, AStopTakesWhatWaitsToBeAccepted) {
    ShardRig rig;
    const int fd = rig.kernel.connect(rig.listener, parse_endpoint("192.0.2.1:1000").value());
    rig.kernel.send(fd, "just in time\n");
    rig.shard.drain({.deadline = rig.reactor.now() + seconds(5)});
    rig.pass(milliseconds(1'000));
    EXPECT_THAT(rig.handler.items, ElementsAre("just in time"));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::shutdown));
}

TEST(Drainer, ConnectionsOfARemovedListenerEndAsDrained) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.send(fd, "before\n");
    rig.shard.close_listener(0, rig.reactor.now() + seconds(5));
    rig.pass(milliseconds(1'000));
    EXPECT_THAT(rig.handler.items, ElementsAre("before"));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::drained));
    EXPECT_EQ(rig.counters().held(), 0U);
}

TEST(Drainer, ADrainSpreadsTheEndsOverItsTime) {
    ShardRig rig;
    for (int host = 1; host <= 50; ++host) rig.connect("192.0.2." + std::to_string(host) + ":1000");
    const auto progress = std::make_shared<DrainProgress>();
    progress->reactors_busy = 1;
    rig.shard.drain_over({.began = rig.reactor.now(),
                          .over = seconds(10),
                          .timeout = seconds(5),
                          .wanted = [](const Connection&) { return true; },
                          .goodbye = {},
                          .progress = progress});
    rig.pass(seconds(5));
    EXPECT_GT(rig.handler.closed.size(), 15U);
    EXPECT_LT(rig.handler.closed.size(), 35U);
    rig.connect("192.0.2.200:1000");
    rig.pass(seconds(8));
    EXPECT_EQ(rig.handler.closed.size(), 50U);
    EXPECT_THAT(rig.reasons(), testing::Each(CloseReason::drained));
    EXPECT_EQ(progress->ended, 50U);
    EXPECT_EQ(progress->reactors_busy, 0U);
    EXPECT_EQ(rig.shard.registry().size(), 1U) << "a connection that comes later stays";
}

}  // namespace
}  // namespace holdfast
