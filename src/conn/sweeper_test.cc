#include "conn/sweeper.h"

#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

ShardOptions options(const ListenerPolicy& policy, bool canaries = false) {
    return {.max_connections = 1'000,
            .max_unfinished = 4'096,
            .policies = {policy},
            .observed = true,
            .canaries = canaries};
}

TEST(Sweeper, AnIdleConnectionStays) {
    ShardRig rig;
    rig.connect();
    rig.pass(seconds(300));
    EXPECT_THAT(rig.reasons(), IsEmpty());
}

TEST(Sweeper, APeerThatIsSilentWithDataOutstandingEndsWithinTheBound) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.set_alive(fd, false);
    static_cast<void>(rig.shard.send(*rig.find(fd), "are you there?\n"));
    rig.pass(seconds(20));
    EXPECT_THAT(rig.reasons(), IsEmpty());
    rig.pass(milliseconds(10'500));
    ASSERT_EQ(rig.handler.closed.size(), 1U);
    EXPECT_EQ(kind_of(rig.reasons()[0]), ReasonKind::network);
    EXPECT_TRUE(rig.kernel.was_reset(fd)) << "nobody is left to take an orderly end";
    EXPECT_EQ(rig.counters().found_late.get(), 0U);
}

// Between the window's opening and the first acknowledgement the bytes are in flight, for a round trip.
TEST(Sweeper, BytesThatLeaveAfterALongStallHaveTheirWholeLimit) {
    ShardRig rig;
    const int fd = rig.connect();
    const auto stall_for = [&](seconds time) {
        rig.kernel.set_window_closed(fd, true);
        static_cast<void>(rig.shard.send(*rig.find(fd), "a long message\n"));
        rig.kernel.acknowledge(fd);  // what came before
        rig.pass(time);
        rig.kernel.set_window_closed(fd, false);
    };
    for (const seconds step : {seconds(20), seconds(35), seconds(60)}) {
        stall_for(step);
        rig.pass(seconds(15));
        ASSERT_THAT(rig.reasons(), IsEmpty()) << step.count();
    }
    stall_for(seconds(100));
    for (int second = 0; second < 28; ++second) {
        EXPECT_THAT(rig.reasons(), IsEmpty());
        rig.kernel.hear(fd);
        rig.pass(seconds(1));
    }
    rig.pass(milliseconds(2'500));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::retransmit_expired)) << "heard, but acknowledges nothing";
}

TEST(Sweeper, AWindowThatClosesAfterAnOutageHasItsWholeLimit) {
    ListenerPolicy policy = ShardRig::policy();
    policy.write_stall = seconds(2);
    ShardRig rig(options(policy));
    const int fd = rig.connect();
    rig.kernel.set_alive(fd, false);
    static_cast<void>(rig.shard.send(*rig.find(fd), "a message\n"));
    rig.pass(seconds(20));
    rig.kernel.set_alive(fd, true);
    rig.kernel.set_window_closed(fd, true);
    static_cast<void>(rig.shard.send(*rig.find(fd), "another\n"));
    rig.pass(milliseconds(1'500));
    EXPECT_THAT(rig.reasons(), IsEmpty());
    rig.pass(milliseconds(2'500));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::window_stalled));
}

TEST(Sweeper, WhatHasArrivedOfASilentPeerIsReadFirst) {
    ShardRig rig;
    rig.handler.is_ready = false;
    const int fd = rig.connect();
    rig.kernel.set_alive(fd, false);
    static_cast<void>(rig.shard.send(*rig.find(fd), "?\n"));
    rig.kernel.send(fd, "last\n");
    rig.turn();
    rig.handler.is_ready = true;
    rig.pass(seconds(31));
    EXPECT_THAT(rig.handler.items, ElementsAre("last"));
    EXPECT_EQ(rig.handler.closed.size(), 1U);
}

TEST(Sweeper, AnItemThatIsNotFinishedInTimeEndsItsConnection) {
    ListenerPolicy policy = ShardRig::policy();
    policy.item_deadline = seconds(10);
    ShardRig rig(options(policy));
    const int fd = rig.connect();
    rig.kernel.send(fd, "beginning");
    rig.turn();
    rig.pass(milliseconds(9'900));
    EXPECT_THAT(rig.reasons(), IsEmpty());
    rig.pass(seconds(12));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::item_deadline));
}

TEST(Sweeper, AnAbsenceOfTheGatewayIsNoDelayOfThePeer) {
    ListenerPolicy policy = ShardRig::policy();
    policy.item_deadline = seconds(10);
    ShardRig rig(options(policy));
    const int fd = rig.connect();
    rig.kernel.send(fd, "beginning");
    rig.turn();
    rig.clock.advance(seconds(600));
    rig.kernel.send(fd, " and end\n");
    rig.turn();
    rig.pass(seconds(5));
    EXPECT_THAT(rig.handler.items, ElementsAre("beginning and end"));
    EXPECT_THAT(rig.reasons(), IsEmpty());
}

TEST(Sweeper, UnidentifiedConnectionsHaveTenSecondsWhereTokensAreRequired) {
    ListenerPolicy policy = ShardRig::policy();
    policy.authenticates = true;
    ShardRig rig(options(policy));
    const int silent = rig.connect("192.0.2.1:1000");
    const int identified = rig.connect("192.0.2.2:1000");
    EXPECT_TRUE(rig.shard.is_unauthenticated(*rig.find(silent)));
    rig.find(identified)->identify(Identity::authenticated);
    EXPECT_FALSE(rig.shard.is_unauthenticated(*rig.find(identified)));
    rig.pass(seconds(9));
    EXPECT_THAT(rig.reasons(), IsEmpty());
    rig.pass(seconds(13));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::unauthenticated));
    EXPECT_EQ(rig.find(identified)->stage, Stage::open);
}

// A plan with another period adds a ring to those that the sweep goes through.
TEST(Sweeper, AHandlerMayChangePlansAmidIt) {
    ShardRig rig;
    for (int n = 0; n < 20; ++n)
        rig.find(rig.connect("192.0.2." + std::to_string(n + 1) + ":1000"))->connected_pending = true;
    int changed = 0;
    rig.handler.at_connected_pending = [&](Connection& connection) {
        const seconds within(3 + changed++ % 10);
        EXPECT_TRUE(rig.shard.set_plan(connection, plan_liveness(within).value()));
    };
    rig.pass(seconds(5));
    EXPECT_EQ(changed, 20);
    EXPECT_THAT(rig.reasons(), IsEmpty());
}

TEST(Sweeper, AReloadThatRequiresTokensGivesTenSeconds) {
    ListenerPolicy policy = ShardRig::policy();
    ShardRig rig(options(policy));
    rig.connect();
    rig.pass(seconds(60));
    policy.authenticates = true;
    rig.shard.change_listener({.number = 0, .policy = policy}, [](const PlanTally&) {});
    rig.turn();
    rig.pass(ListenerPolicy::name_deadline);
    EXPECT_THAT(rig.reasons(), IsEmpty()) << "the time before the reload does not count";
    rig.pass(milliseconds(1'200));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::unauthenticated));
}

TEST(Sweeper, ASuspectThatAnswersRecovers) {
    ShardRig rig(options(ShardRig::policy(), true));
    const int fd = rig.connect();
    rig.kernel.set_alive(fd, false);
    rig.pass(seconds(3));
    std::vector<Token> silent;
    rig.shard.probe_all([](const Connection&) { return true; }, milliseconds(1'000), ProbeRun::JustHeard::probe_soon,
                        [&](const ProbeFindings& found) { silent = found.silent; });
    rig.pass(seconds(2));
    ASSERT_EQ(silent.size(), 1U);
    rig.shard.mark_suspects(silent, milliseconds(1'000));
    EXPECT_TRUE(rig.shard.suspect_since(*rig.find(fd)));
    EXPECT_EQ(rig.counters().suspects.get(), 1U);
    rig.kernel.set_alive(fd, true);
    rig.pass(seconds(5));
    EXPECT_FALSE(rig.shard.suspect_since(*rig.find(fd)));
    EXPECT_EQ(rig.counters().recovered.get(), 1U);
    EXPECT_THAT(rig.reasons(), IsEmpty());
}

TEST(Sweeper, CanariesAreProbedAheadOfTheKernel) {
    ShardRig rig(options(ShardRig::policy(), true));
    for (int host = 1; host <= 100; ++host) rig.connect("192.0.2." + std::to_string(host) + ":1000");
    rig.pass(seconds(60));
    EXPECT_GT(rig.shard.counters().asked_ahead.get(), 0U);
    EXPECT_THAT(rig.reasons(), IsEmpty());
}

}  // namespace
}  // namespace holdfast
