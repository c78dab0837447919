#include "conn/finalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

TEST(Finalizer, ReportsEachConnectionOnceWithTheFirstReason) {
    ShardRig rig;
    const int fd = rig.connect();
    Connection& connection = *rig.find(fd);
    rig.shard.close(connection, CloseReason::kicked, "by an operator");
    rig.shard.close(connection, CloseReason::superseded);
    EXPECT_EQ(connection.stage, Stage::closing);
    EXPECT_FALSE(rig.kernel.is_closed(fd)) << "the end of the turn frees it";
    EXPECT_EQ(rig.find(fd), nullptr);
    rig.turn();
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::kicked));
    EXPECT_EQ(rig.handler.closed[0].second.detail, "by an operator");
    EXPECT_TRUE(rig.kernel.is_closed(fd));
    EXPECT_EQ(rig.counters().closed[static_cast<std::size_t>(CloseReason::kicked)].get(), 1U);
    EXPECT_EQ(rig.counters().connections.get(), 0U);
}

TEST(Finalizer, AConnectionThatHasNotProvedItsIdStaysUnauthenticatedWhenItCloses) {
    ListenerPolicy policy = ShardRig::policy();
    policy.authenticates = true;
    ShardRig rig({.max_connections = 100, .max_unfinished = 4'096, .policies = {policy}});
    for (const bool is_identified : {false, true}) {
        Connection& connection = *rig.find(rig.connect());
        if (is_identified) connection.identify(Identity::authenticated);
        EXPECT_EQ(rig.shard.is_unauthenticated(connection), !is_identified);
        rig.shard.close(connection, CloseReason::kicked);
        EXPECT_EQ(rig.shard.is_unauthenticated(connection), !is_identified);
        rig.turn();
    }
}

TEST(Finalizer, AStaleNumberFindsNothing) {
    ShardRig rig;
    const int first = rig.connect();
    const Token number = rig.shard.registry().number_of(*rig.find(first));
    rig.shard.close(*rig.find(first), CloseReason::kicked);
    rig.turn();
    const int second = rig.connect();
    EXPECT_EQ(rig.shard.registry().find(number), nullptr);
    EXPECT_NE(rig.shard.registry().number_of(*rig.find(second)), number);
    rig.shard.on_ready(number, EPOLLIN | EPOLLHUP);
    rig.turn();
    EXPECT_EQ(rig.handler.closed.size(), 1U);
}

TEST(Finalizer, WorkAfterTheTurnWaitsUntilTheHandlerKnows) {
    ShardRig rig;
    const int fd = rig.connect();
    std::size_t known = 0;
    rig.shard.close(*rig.find(fd), CloseReason::kicked);
    rig.shard.after_turn([&] { known = rig.handler.closed.size(); });
    rig.turn();
    EXPECT_EQ(known, 1U);
}

}  // namespace
}  // namespace holdfast
