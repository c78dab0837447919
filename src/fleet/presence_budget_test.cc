#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_bucket.h"

namespace holdfast {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t budget = 10;

class PresenceBudgetTest : public testing::Test {
protected:
    void settle() {
        for (int round = 0; round < 6; ++round) {
            one_.settle();
            two_.settle();
        }
    }
    static std::string name(int n) { return "x" + std::to_string(n); }
    /// Opens and closes a connection with its own id at gateway one. The bucket receives both changes.
    void visit(int n, bool authenticated = false) {
        const ConnectionId conn{10, static_cast<std::uint64_t>(n)};
        one_.presence.here(name(n), held(conn, n, authenticated));
        settle();
        one_.presence.gone(name(n), conn, CloseReason::peer_closed, at(n));
        settle();
    }

    FakeBucket bucket_;
    Gateway one_{bucket_, "one", 1, budget};
    Gateway two_{bucket_, "two", 2, budget};
};

TEST_F(PresenceBudgetTest, TheLatestClosedOnesOfStrangersAreKeptEverywhere) {
    for (int n = 1; n <= 100; ++n) visit(n);
    EXPECT_EQ(bucket_.size(), budget);
    EXPECT_EQ(one_.presence.size(), budget);
    EXPECT_EQ(two_.presence.size(), budget);
    EXPECT_EQ(one_.presence.ended(), budget);
    EXPECT_EQ(one_.presence.dropped(), 90U);
    EXPECT_EQ(two_.presence.dropped(), 0U) << "not its own";
    EXPECT_FALSE(bucket_.find(name(90)));
    ASSERT_TRUE(bucket_.find(name(100)));
    EXPECT_EQ(bucket_.find(name(100))->record.reason, CloseReason::peer_closed);
    EXPECT_EQ(one_.presence.unsettled() + two_.presence.unsettled(), 0U);
    EXPECT_THAT(two_.presence.take_tasks().lost, IsEmpty());
}

TEST_F(PresenceBudgetTest, ManyAreRemovedEverywhereInAnyOrderOfAnswersAndEchoes) {
    for (int n = 1; n <= 60; ++n) one_.presence.here(name(n), held({10, static_cast<std::uint64_t>(n)}, n));
    one_.put_all();
    for (int n = 0; n < 30; ++n) one_.answer_one();
    for (int n = 0; n < 20; ++n) one_.watch_one();
    for (int n = 1; n <= 60; ++n) {
        one_.presence.gone(name(n), {10, static_cast<std::uint64_t>(n)}, CloseReason::peer_closed, at(100 + n));
    }
    one_.put_all();
    while (!one_.answers.empty()) one_.answer_one();  // before the watch delivers anything
    settle();
    EXPECT_EQ(bucket_.size(), budget);
    EXPECT_EQ(one_.presence.size(), budget);
    EXPECT_EQ(two_.presence.size(), budget);
    EXPECT_EQ(one_.presence.unsettled() + two_.presence.unsettled(), 0U);
}

TEST_F(PresenceBudgetTest, WhatIsOnlineOrAuthenticatedDoesNotCount) {
    visit(1, true);
    for (int n = 2; n <= 50; ++n) one_.presence.here(name(n), held({10, static_cast<std::uint64_t>(n)}, n));
    settle();
    for (int n = 51; n <= 100; ++n) visit(n);
    EXPECT_EQ(bucket_.size(), 1 + 49 + budget);
    EXPECT_TRUE(bucket_.find(name(1)));
    EXPECT_TRUE(bucket_.find(name(2))->record.online);
    EXPECT_EQ(two_.presence.size(), bucket_.size());
}

TEST_F(PresenceBudgetTest, WhatEndsBeforeItWasPutIsNotPutOnceTheBudgetIsUsed) {
    for (int n = 1; n <= 10; ++n) visit(n);
    const std::size_t changes = bucket_.log.size();
    for (int n = 11; n <= 100; ++n) {
        const ConnectionId conn{10, static_cast<std::uint64_t>(n)};
        one_.presence.here(name(n), held(conn, n));
        one_.presence.gone(name(n), conn, CloseReason::peer_closed, at(n));
    }
    settle();
    EXPECT_THAT(bucket_.log, SizeIs(changes));
    EXPECT_EQ(one_.presence.size(), budget);
    EXPECT_EQ(one_.presence.dropped(), 90U);
    EXPECT_EQ(one_.presence.unsettled(), 0U);
}

TEST_F(PresenceBudgetTest, AnIdWhoseRecordWasDroppedComesBack) {
    for (int n = 1; n <= 30; ++n) visit(n);
    ASSERT_FALSE(bucket_.find(name(1)));
    two_.presence.here(name(1), held({20, 1}, 40));
    settle();
    ASSERT_TRUE(bucket_.find(name(1)));
    EXPECT_EQ(bucket_.find(name(1))->record.gateway, "two");
    EXPECT_TRUE(one_.presence.find(name(1))->record.online);
    // A record that is forgotten here, but still in the bucket.
    two_.presence.here(name(25), held({20, 2}, 41));
    settle();
    EXPECT_EQ(bucket_.find(name(25))->record.gateway, "two");
}

TEST_F(PresenceBudgetTest, AReturnBeforeThePurgeKeepsTheRecord) {
    for (int n = 1; n <= 10; ++n) visit(n);
    one_.presence.here(name(11), held({10, 11}, 11));
    settle();
    one_.presence.gone(name(11), {10, 11}, CloseReason::peer_closed, at(11));  // x1 is above the budget now
    one_.presence.here(name(1), held({10, 12}, 12));
    settle();
    ASSERT_TRUE(bucket_.find(name(1)));
    EXPECT_TRUE(bucket_.find(name(1))->record.online);
    EXPECT_TRUE(two_.presence.find(name(1))->record.online);
}

TEST_F(PresenceBudgetTest, ASnapshotBeforeThePurgeReachesTheBucketCountsNothingTwice) {
    for (int n = 1; n <= 10; ++n) visit(n);
    for (int n = 11; n <= 40; ++n) one_.presence.here(name(n), held({10, static_cast<std::uint64_t>(n)}, n));
    settle();
    for (int n = 11; n <= 40; ++n)
        one_.presence.gone(name(n), {10, static_cast<std::uint64_t>(n)}, CloseReason::peer_closed, at(n));
    for (const PresencePut& put : one_.presence.take_puts(100)) {
        const auto revision = bucket_.put(put);
        ASSERT_TRUE(revision);
        one_.presence.landed(put.id, *revision);
    }
    ASSERT_EQ(one_.presence.dropped(), 30U);
    one_.now += Presence::purged_after;
    const auto late = one_.presence.take_purges(one_.now, 100);
    one_.presence.begin_snapshot();
    bucket_.for_each(
        [&](const FakeBucket::Change& change) { one_.presence.saw(change.id, change.record, change.revision); });
    one_.watched = bucket_.log.size();
    one_.presence.end_snapshot();
    for (const auto& [id, revision] : late) bucket_.purge(id, revision);
    settle();
    EXPECT_EQ(one_.presence.dropped(), 30U);
    EXPECT_EQ(bucket_.size(), budget);
}

TEST_F(PresenceBudgetTest, AFormerRunsRecordsCountAtTheNextStart) {
    for (int n = 1; n <= 10; ++n) visit(n);
    for (int n = 11; n <= 40; ++n) one_.presence.here(name(n), held({10, static_cast<std::uint64_t>(n)}, n));
    settle();
    ASSERT_EQ(bucket_.size(), 40U);
    Gateway again{bucket_, "one", 3, budget};
    again.presence.lose("one", at(50));
    for (int round = 0; round < 6; ++round) again.settle();
    EXPECT_THAT(again.presence.take_tasks().lost, SizeIs(30)) << "each gets its end";
    EXPECT_EQ(bucket_.size(), budget);
    EXPECT_EQ(again.presence.size(), budget);
}

}  // namespace
}  // namespace holdfast
