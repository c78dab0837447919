#include "conn/listeners.h"

#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

TEST(Listeners, AcceptsAllThatWait) {
    ShardRig rig;
    for (int i = 0; i < 600; ++i) rig.kernel.connect(rig.listener, parse_endpoint("192.0.2.1:1000").value());
    while (rig.shard.registry().size() < 600) rig.turn();
    EXPECT_EQ(rig.handler.opened.size(), 600U);
    EXPECT_EQ(rig.counters().connections.get(), 600U);
    EXPECT_EQ(rig.counters().accepted.get(), 600U);
}

TEST(Listeners, WithoutDescriptorsAcceptingPausesAndResumes) {
    ShardRig rig;
    rig.kernel.fail_accept(rig.listener, EMFILE);
    const int fd = rig.kernel.connect(rig.listener, parse_endpoint("192.0.2.1:1000").value());
    rig.turn();
    rig.pass(milliseconds(1'000));
    EXPECT_THAT(rig.handler.accept_errors, ElementsAre(EMFILE)) << "reported once";
    EXPECT_EQ(rig.counters().accept_paused.get(), 1U);
    rig.kernel.fail_accept(rig.listener, 0);
    rig.pass(milliseconds(200));
    EXPECT_NE(rig.find(fd), nullptr);
    EXPECT_EQ(rig.handler.accept_resumed, 1);
    EXPECT_EQ(rig.counters().accept_paused.get(), 0U);
}

TEST(Listeners, AFullShardTurnsAwayInOrder) {
    ShardRig rig({.max_connections = 2, .max_unfinished = 4'096, .policies = {ShardRig::policy()}});
    rig.connect();
    rig.connect();
    const int third = rig.connect();
    EXPECT_TRUE(rig.kernel.is_closed(third));
    EXPECT_FALSE(rig.kernel.was_reset(third));
    EXPECT_EQ(rig.counters().refused[static_cast<std::size_t>(RefusedBy::max_connections)].get(), 1U);
    EXPECT_THAT(rig.reasons(), ElementsAre());
}

class AcceptRate : public testing::Test {
protected:
    AcceptRate() {
        LimitsConfig limits;
        limits.accept_rate = 10;
        rig_.admission.set(limits, 1'000);
    }
    ShardRig rig_;
};

TEST_F(AcceptRate, BeyondTheRateConnectionsWaitUnread) {
    std::vector<int> peers;
    for (int i = 0; i < 30; ++i) {
        peers.push_back(rig_.kernel.connect(rig_.listener, parse_endpoint("192.0.2.1:1000").value()));
        rig_.kernel.send(peers.back(), "a\n");
    }
    rig_.turn();
    const std::size_t at_once = rig_.handler.opened.size();
    EXPECT_LT(at_once, 30U);
    EXPECT_EQ(rig_.counters().accept_waiting.get(), 30U - at_once);
    EXPECT_EQ(rig_.find(peers.back())->stage, Stage::preamble);
    rig_.pass(milliseconds(3'000));
    EXPECT_EQ(rig_.handler.opened.size(), 30U);
    EXPECT_EQ(rig_.handler.items.size(), 30U);
    EXPECT_EQ(rig_.counters().accept_waiting.get(), 0U);
}

TEST_F(AcceptRate, AConnectionWhosePeerHasGoneIsReadAndTakesNothingOfTheRate) {
    std::vector<int> peers;
    for (int i = 0; i < 30; ++i) {
        peers.push_back(rig_.kernel.connect(rig_.listener, parse_endpoint("192.0.2.1:1000").value()));
        rig_.kernel.send(peers.back(), "a\n");
        rig_.kernel.finish(peers.back());
    }
    rig_.turn();
    rig_.turn();
    EXPECT_EQ(rig_.handler.items.size(), 30U);
    EXPECT_EQ(rig_.handler.closed.size(), 30U);
    EXPECT_EQ(rig_.counters().accept_delays.get(), 0U);
}

}  // namespace
}  // namespace holdfast
