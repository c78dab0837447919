#include "fleet/presence.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_bucket.h"

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class PresenceTest : public testing::Test {
protected:
    void settle() {
        for (int round = 0; round < 6; ++round) {
            one_.settle();
            two_.settle();
        }
    }
    const PresenceRecord& now(const std::string& id) { return bucket_.find(id)->record; }

    FakeBucket bucket_;
    Gateway one_{bucket_, "one", 1};
    Gateway two_{bucket_, "two", 2};
};

TEST_F(PresenceTest, ComesAndGoes) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    EXPECT_TRUE(now("d").online);
    EXPECT_EQ(now("d").gateway, "one");
    EXPECT_EQ(two_.presence.find("d")->record, now("d"));
    one_.presence.gone("d", {10, 1}, CloseReason::peer_reset, at(9));
    settle();
    EXPECT_FALSE(now("d").online);
    EXPECT_EQ(now("d").reason, CloseReason::peer_reset);
    EXPECT_EQ(one_.presence.unsettled(), 0U);
}

TEST_F(PresenceTest, ADeviceThatMovesIsNeverShownOffline) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    two_.presence.here("d", held({20, 1}, 6));
    settle();
    const auto tasks = one_.presence.take_tasks();
    EXPECT_THAT(tasks.superseded, ElementsAre(ConnectionId{10, 1}));
    one_.presence.gone("d", {10, 1}, CloseReason::superseded, at(7));
    settle();
    EXPECT_EQ(now("d").gateway, "two");
    for (const auto& change : bucket_.log) EXPECT_TRUE(change.record.online);
    EXPECT_TRUE(two_.presence.take_tasks().empty());
}

TEST_F(PresenceTest, ANewerConnectionHereIsNoFlapEither) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    one_.presence.gone("d", {10, 1}, CloseReason::superseded, at(6));
    settle();
    EXPECT_TRUE(now("d").online);
    one_.presence.here("d", held({10, 2}, 6));
    settle();
    EXPECT_EQ(now("d").conn, (ConnectionId{10, 2}));
    EXPECT_THAT(bucket_.log, SizeIs(2));
}

/// The put arrives late, when the device is already elsewhere.
TEST_F(PresenceTest, ALatePutDoesNotTakeTheDeviceBack) {
    one_.presence.here("d", held({10, 1}, 5));
    two_.presence.here("d", held({20, 1}, 6));
    two_.put_all();
    settle();
    EXPECT_EQ(now("d").gateway, "two");
    EXPECT_THAT(one_.presence.take_tasks().superseded, ElementsAre(ConnectionId{10, 1}));
    EXPECT_TRUE(two_.presence.take_tasks().empty());
}

TEST_F(PresenceTest, OfTwoAtOnceTheLaterConnectionStays) {
    one_.presence.here("d", held({10, 1}, 7));
    two_.presence.here("d", held({20, 1}, 6));
    two_.put_all();
    settle();
    EXPECT_EQ(now("d").gateway, "one");
    EXPECT_TRUE(one_.presence.take_tasks().empty());
    EXPECT_THAT(two_.presence.take_tasks().superseded, ElementsAre(ConnectionId{20, 1}));
}

TEST_F(PresenceTest, ALateEndOfAnOlderConnectionIsPassedOver) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    two_.presence.here("d", held({20, 1}, 6));
    two_.put_all();
    one_.presence.gone("d", {10, 1}, CloseReason::peer_reset, at(7));
    settle();
    EXPECT_TRUE(now("d").online);
    EXPECT_EQ(now("d").gateway, "two");
}

TEST_F(PresenceTest, OneSurvivorReportsTheLostConnections) {
    Gateway three(bucket_, "three", 3);
    one_.presence.here("a", held({10, 1}, 5));
    one_.presence.here("b", held({10, 2}, 5));
    settle();
    while (three.watched < bucket_.log.size()) three.watch_one();
    two_.presence.lose("one", at(20));
    three.presence.lose("one", at(20));
    two_.put_all();
    three.put_all();
    while (!two_.answers.empty()) two_.answer_one();
    three.settle();
    two_.settle();
    const auto told = two_.presence.take_tasks().lost;
    EXPECT_THAT(told, SizeIs(2));
    EXPECT_THAT(three.presence.take_tasks().lost, IsEmpty());
    EXPECT_EQ(now("a").reason, CloseReason::gateway_lost);
    EXPECT_EQ(now("a").by, "two");
    EXPECT_EQ(now("a").gateway, "one");
}

TEST_F(PresenceTest, OneThatReturnsPutsItsDevicesOnlineAgain) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    two_.presence.lose("one", at(20));
    settle();
    settle();
    EXPECT_TRUE(now("d").online);
    EXPECT_THAT(two_.presence.take_tasks().lost, SizeIs(1));
    const auto tasks = one_.presence.take_tasks();
    EXPECT_THAT(tasks.returned, ElementsAre("d"));
    EXPECT_THAT(tasks.superseded, IsEmpty());
}

TEST_F(PresenceTest, TheNextRunReportsConnectionsOfTheFormer) {
    one_.presence.here("a", held({10, 1}, 5));
    one_.presence.here("b", held({10, 2}, 5));
    settle();
    Gateway again(bucket_, "one", 9);
    while (again.watched < bucket_.log.size()) again.watch_one();
    again.presence.here("b", held({11, 1}, 30));
    again.presence.lose("one", at(31));
    again.settle();
    again.settle();
    std::set<ConnectionId> told;
    for (const LostLife& life : again.presence.take_tasks().lost) told.insert(life.record.conn);
    EXPECT_EQ(told, (std::set<ConnectionId>{{10, 1}, {10, 2}}));
    EXPECT_FALSE(now("a").online);
    EXPECT_EQ(now("b").conn, (ConnectionId{11, 1}));
}

/// The gateway is lost, and its device is elsewhere before the loss is detected.
TEST_F(PresenceTest, ReplacedConnectionsOfALostGatewayAreReported) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    two_.presence.here("d", held({20, 1}, 6));
    two_.settle();
    EXPECT_TRUE(two_.presence.take_tasks().empty());
    two_.presence.lose("one", at(20));
    two_.settle();
    EXPECT_THAT(two_.presence.take_tasks().lost, SizeIs(1));
    two_.presence.still_lost("one");
    EXPECT_THAT(two_.presence.take_tasks().lost, IsEmpty());
    EXPECT_TRUE(now("d").online);
}

TEST_F(PresenceTest, ALivingGatewayReportsTheEndItself) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    two_.presence.here("d", held({20, 1}, 6));
    settle();
    two_.presence.beats("one", 1, at(10));
    two_.presence.lose("one", at(20));
    two_.settle();
    EXPECT_THAT(two_.presence.take_tasks().lost, IsEmpty());
}

TEST_F(PresenceTest, ASnapshotFindsWhatWasMissed) {
    one_.presence.here("d", held({10, 1}, 5));
    one_.presence.here("e", held({10, 2}, 5));
    settle();
    one_.presence.begin_snapshot();  // and "d" is not in it: the bucket was purged
    one_.presence.saw("e", now("e"), 2);
    one_.presence.end_snapshot();
    const auto puts = one_.presence.take_puts(10);
    ASSERT_THAT(puts, SizeIs(1));
    EXPECT_EQ(puts[0].id, "d");
    EXPECT_EQ(puts[0].expected, 0U);
    two_.presence.begin_snapshot();
    two_.presence.end_snapshot();
    EXPECT_EQ(two_.presence.size(), 0U);
}

TEST_F(PresenceTest, WhatWasClosedLongAgoIsForgotten) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    const auto steady = [](int s) { return SteadyTime(std::chrono::seconds(s)); };
    const auto pass = [&](int s, int wall_ms) {
        one_.presence.set_time(steady(s), at(wall_ms));
        two_.presence.set_time(steady(s), at(wall_ms));
    };
    pass(100, 9);
    one_.presence.gone("d", {10, 1}, CloseReason::peer_closed, at(9));
    settle();
    pass(101, 2'000'000'000);  // the wall clock was stepped by weeks
    settle();
    const auto lives = [](const std::string&) { return true; };
    EXPECT_THAT(one_.presence.forget(steady(100), 10, lives), IsEmpty());
    EXPECT_THAT(two_.presence.forget(steady(101), 10, lives), IsEmpty());
    EXPECT_THAT(one_.presence.forget(steady(101), 10, lives),
                ElementsAre(std::pair<std::string, std::uint64_t>("d", 2)));
    EXPECT_EQ(one_.presence.size() + two_.presence.size(), 0U);
}

TEST_F(PresenceTest, OnlyProofTakesOverAnAuthenticatedDevice) {
    one_.presence.here("d", proved({10, 1}, 5));
    settle();
    EXPECT_TRUE(two_.presence.find("d")->record.identity == Identity::authenticated);
    two_.presence.here("d", held({20, 1}, 6));
    settle();
    EXPECT_THAT(two_.presence.take_tasks().denied, ElementsAre(ConnectionId{20, 1}));
    EXPECT_TRUE(one_.presence.take_tasks().empty());
    EXPECT_EQ(now("d").gateway, "one");
    EXPECT_THAT(bucket_.log, SizeIs(1));
    two_.presence.gone("d", {20, 1}, CloseReason::unauthenticated, at(7));
    two_.presence.here("d", proved({20, 2}, 8));
    settle();
    EXPECT_THAT(one_.presence.take_tasks().superseded, ElementsAre(ConnectionId{10, 1}));
    EXPECT_EQ(now("d").conn, (ConnectionId{20, 2}));
}

TEST_F(PresenceTest, ProofTakesADeviceFromOneWithout) {
    one_.presence.here("d", held({10, 1}, 5));
    settle();
    two_.presence.here("d", proved({20, 1}, 6));
    settle();
    const auto tasks = one_.presence.take_tasks();
    EXPECT_THAT(tasks.superseded, ElementsAre(ConnectionId{10, 1}));
    EXPECT_THAT(tasks.denied, IsEmpty());
    EXPECT_TRUE(now("d").identity == Identity::authenticated);
}

/// The newer record was seen before our connection ended, and not kept because ours had proved the id.
TEST_F(PresenceTest, ARefusedEndAdoptsTheNewerRecord) {
    one_.presence.here("d", proved({10, 1}, 5));
    settle();
    two_.presence.here("d", proved({20, 1}, 6));
    two_.presence.gone("d", {20, 1}, CloseReason::peer_reset, at(7));
    two_.presence.here("d", held({20, 2}, 8));
    two_.put_all();
    two_.answer_one();
    one_.watch_one();
    two_.presence.gone("d", {20, 2}, CloseReason::peer_reset, at(9));
    two_.put_all();
    one_.put_all();  // refused: the bucket has the end already
    one_.watch_one();
    one_.presence.gone("d", {10, 1}, CloseReason::peer_reset, at(10));
    settle();
    EXPECT_EQ(one_.presence.unsettled(), 0U);
    EXPECT_EQ(one_.presence.find("d")->record, bucket_.find("d")->record);
}

/// Holds for any order in the bucket, and for either clock ahead.
TEST_F(PresenceTest, OfTwoAtOnceTheOneWithProofStays) {
    for (const bool proof_is_put_first : {false, true}) {
        const std::string id = proof_is_put_first ? "d" : "e";
        one_.presence.here(id, proved({10, 1}, 5));
        two_.presence.here(id, held({20, 1}, 9));
        (proof_is_put_first ? one_ : two_).put_all();
        settle();
        EXPECT_EQ(now(id).gateway, "one");
        EXPECT_TRUE(one_.presence.take_tasks().empty());
        const auto tasks = two_.presence.take_tasks();
        EXPECT_EQ(tasks.denied.size() + tasks.superseded.size(), 1U);
    }
}

/// An older version ignores proof, and overwrites what it has seen.
TEST_F(PresenceTest, AClaimOfAnOlderGatewayIsWithoutProof) {
    one_.presence.here("d", proved({10, 1}, 5));
    settle();
    PresenceRecord claim = now("d");
    claim.gateway = "old";
    claim.conn = {30, 1};
    claim.identity = Identity::claimed;
    bucket_.put({"d", claim, bucket_.find("d")->revision});
    settle();
    EXPECT_EQ(now("d").gateway, "one");
    EXPECT_TRUE(now("d").identity == Identity::authenticated);
    EXPECT_TRUE(one_.presence.take_tasks().empty());
}

TEST_F(PresenceTest, WhereProofHasGoneAnyoneMayCome) {
    one_.presence.here("d", proved({10, 1}, 5));
    one_.presence.here("e", proved({10, 2}, 5));
    settle();
    one_.presence.gone("d", {10, 1}, CloseReason::peer_closed, at(6));
    settle();
    two_.presence.lose("one", at(20));
    two_.settle();
    for (const char* id : {"d", "e"}) two_.presence.here(id, held({20, 1}, 30));
    two_.settle();
    EXPECT_THAT(two_.presence.take_tasks().denied, IsEmpty());
    EXPECT_EQ(now("d").gateway, "two");
    EXPECT_EQ(now("e").gateway, "two");
}

TEST(PresenceRecordText, ProofIsWrittenWhereThereIsOne) {
    PresenceRecord record = online_record();
    EXPECT_EQ(to_json(record).find("proved"), std::string::npos);
    EXPECT_EQ(read_presence(to_json(record)), record);
    record.identity = Identity::authenticated;
    EXPECT_EQ(read_presence(to_json(record)), record);
}

TEST_F(PresenceTest, APutWithoutAnAnswerIsRepeated) {
    one_.presence.here("d", held({10, 1}, 5));
    const auto puts = one_.presence.take_puts(10);
    EXPECT_THAT(puts, SizeIs(1));
    EXPECT_THAT(one_.presence.take_puts(10), IsEmpty());
    one_.presence.failed("d");
    settle();
    EXPECT_TRUE(now("d").online);
}

}  // namespace
}  // namespace holdfast
