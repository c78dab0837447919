#include "conn/memory_pressure.h"

#include <cstddef>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conn/rate_limiter.h"
#include "testing/shard_rig.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

ShardOptions options(RateLimits rates = {}) {
    return {.max_connections = 1'000, .max_unfinished = 1 << 20, .policies = {ShardRig::policy()}, .rates = rates};
}

TEST(MemoryPressure, BooksWhatIsUnfinishedAndNothingAfterwards) {
    ShardRig rig(options());
    const int fd = rig.connect();
    rig.kernel.send(fd, std::string(1'000, 'x'));
    rig.turn();
    EXPECT_GE(rig.admission.buffers().used(), 1'000U);
    rig.kernel.send(fd, "\n");
    rig.turn();
    EXPECT_EQ(rig.admission.buffers().used(), 0U);
    rig.kernel.send(fd, std::string(1'000, 'x'));
    rig.turn();
    rig.kernel.reset(fd);
    rig.turn();
    EXPECT_EQ(rig.admission.buffers().used(), 0U);
}

TEST(MemoryPressure, AConnectionOverItsRateWaitsForTheNextSecond) {
    ShardRig rig(options({.items = 3, .bytes = 0}));
    const int fd = rig.connect();
    rig.kernel.send(fd, "1\n2\n3\n");
    rig.turn();
    EXPECT_TRUE(rig.find(fd)->throttled);
    rig.kernel.send(fd, "4\n");
    rig.pass(milliseconds(900));
    EXPECT_EQ(rig.handler.items.size(), 3U);
    rig.pass(milliseconds(200));
    EXPECT_EQ(rig.handler.items.size(), 4U);
    EXPECT_FALSE(rig.find(fd)->throttled);
}

TEST(MemoryPressure, WhatWasTakenTooMuchIsADebt) {
    ShardRig rig(options({.items = 2, .bytes = 0}));
    const int fd = rig.connect();
    rig.kernel.send(fd, "1\n2\n3\n4\n5\n6\n");  // one read with the items of three seconds
    rig.turn();
    rig.kernel.send(fd, "7\n");
    rig.pass(milliseconds(2'900));
    EXPECT_EQ(rig.handler.items.size(), 6U);
    rig.pass(milliseconds(200));
    EXPECT_EQ(rig.handler.items.size(), 7U);
}

TEST(MemoryPressure, ThePeersEndEndsAPause) {
    ShardRig rig(options({.items = 1, .bytes = 0}));
    const int fd = rig.connect();
    rig.kernel.send(fd, "1\n");
    rig.turn();
    rig.kernel.send(fd, "2\n");
    rig.kernel.finish(fd);
    rig.turn();
    EXPECT_THAT(rig.handler.items, ElementsAre("1", "2"));
    EXPECT_THAT(rig.reasons(), ElementsAre(CloseReason::peer_closed));
}

class ShortOfMemory : public testing::Test {
protected:
    static constexpr std::size_t budget = 2 << 20;
    static constexpr std::size_t large = 300 << 10;  // above a quarter of max_unfinished

    ShortOfMemory() : slots_(SlotTable<Connection>::bytes_for(options().max_connections)), rig_(kept_options()) {
        rig_.admission.buffers().set_limit(budget);
    }
    ShardOptions kept_options() {
        ShardOptions kept = options();
        kept.kept.record = &kept_;
        kept.kept.slots = slots_.data();
        return kept;
    }
    int connect_with(std::size_t bytes) {
        const int fd = rig_.connect("192.0.2." + std::to_string(++last_host_) + ":1000");
        rig_.kernel.send(fd, std::string(bytes, 'x'));
        while (rig_.kernel.unread(fd) > 0 && rig_.find(fd) != nullptr && !rig_.find(fd)->throttled) rig_.turn();
        return fd;
    }
    KeptReactor kept_;
    std::vector<std::byte> slots_;
    ShardRig rig_;
    int last_host_ = 0;
};

TEST_F(ShortOfMemory, LargeUnfinishedItemsAreNotReadOn) {
    std::vector<int> peers;
    while (rig_.admission.buffers().stage() == BufferStage::plenty) peers.push_back(connect_with(large));
    peers.push_back(connect_with(large));
    EXPECT_TRUE(rig_.find(peers.back())->throttled);
    EXPECT_FALSE(rig_.find(peers.front())->throttled);
    const int small = connect_with(100);
    EXPECT_FALSE(rig_.find(small)->throttled);
    rig_.kernel.reset(peers.front());
    rig_.kernel.reset(peers[1]);
    rig_.turn();
    EXPECT_EQ(rig_.admission.buffers().stage(), BufferStage::plenty);
    rig_.pass(milliseconds(300));
    EXPECT_FALSE(rig_.find(peers.back())->throttled);
}

/// Connections that all wait for each other's memory would otherwise wait until item_deadline, and be shed.
TEST_F(ShortOfMemory, APausedItemIsReadToItsEnd) {
    BufferBudget& buffers = rig_.admission.buffers();
    buffers.set_limit(100 * large);
    std::vector<int> peers;
    for (int i = 0; i < 30; ++i) peers.push_back(connect_with(large));
    for (const int fd : peers) rig_.kernel.send(fd, "x");  // the memory of each doubles
    rig_.turn();
    buffers.set_limit(buffers.used() * 4 / 3);  // 75 %
    for (const int fd : peers) rig_.kernel.send(fd, "y");
    rig_.turn();
    ASSERT_EQ(buffers.stage(), BufferStage::pause_largest);
    for (const int fd : peers) ASSERT_TRUE(rig_.find(fd)->throttled);
    for (const int fd : peers) rig_.kernel.send(fd, "z\n");
    rig_.pass(milliseconds(300));
    EXPECT_EQ(rig_.handler.items.size(), peers.size());
    EXPECT_THAT(rig_.reasons(), IsEmpty());
}

/// Shows the same where the last stage leaves memory for the rest of a few items only.
TEST_F(ShortOfMemory, APausedItemIsReadToItsEndWithTheMemoryThatIsLeft) {
    BufferBudget& buffers = rig_.admission.buffers();
    buffers.set_limit(100 * large);
    std::vector<int> peers;
    for (int i = 0; i < 30; ++i) peers.push_back(connect_with(large));
    buffers.set_limit(buffers.used() * 4 / 3);
    for (const int fd : peers) {
        rig_.kernel.send(fd, "y");  // its memory doubles, and it is paused
        rig_.turn();
        if (buffers.stage() == BufferStage::refuse_sessions) break;
    }
    std::size_t paused = 0;
    for (const int fd : peers) paused += rig_.find(fd)->throttled ? 1 : 0;
    ASSERT_GT(paused, 0U);
    for (const int fd : peers) rig_.kernel.send(fd, "z\n");
    rig_.pass(milliseconds(2'000));
    EXPECT_EQ(rig_.handler.items.size(), peers.size());
    EXPECT_THAT(rig_.reasons(), IsEmpty());
}

TEST_F(ShortOfMemory, AtTheEndOfTheBudgetSomeAreShedAndTheOthersLive) {
    const int small = connect_with(100);
    for (int i = 0; i < 40; ++i) connect_with(200 << 10);
    rig_.pass(milliseconds(300));
    EXPECT_LT(rig_.admission.buffers().used(), budget);
    EXPECT_THAT(rig_.reasons(), testing::Not(IsEmpty()));
    EXPECT_THAT(rig_.reasons(), testing::Each(CloseReason::shed));
    EXPECT_NE(rig_.find(small), nullptr) << "it holds next to nothing";
}

// Otherwise the next process would take other connections for cut.
TEST_F(ShortOfMemory, AShedConnectionLeavesTheListOfQueuedOutput) {
    std::vector<int> peers;
    for (int i = 0; i < 40; ++i) {
        peers.push_back(connect_with(200 << 10));
        if (rig_.find(peers.back()) == nullptr) continue;
        rig_.kernel.set_room(peers.back(), 2);
        static_cast<void>(rig_.shard.send(*rig_.find(peers.back()), "a message\n"));
    }
    EXPECT_FALSE(kept_.owed.is_empty());
    rig_.pass(milliseconds(300));
    EXPECT_THAT(rig_.reasons(), testing::Contains(CloseReason::shed));
    for (const int fd : peers) rig_.kernel.reset(fd);
    rig_.turn();
    EXPECT_TRUE(kept_.owed.is_empty());
}

TEST(ResumedReads, RemembersTheLatestUntilItIsForgotten) {
    ResumedReads resumed;
    EXPECT_EQ(resumed.since(1), Tick{});
    resumed.note(1, Tick{10});
    resumed.note(1, Tick{20});
    resumed.note(2, Tick{30});
    EXPECT_EQ(resumed.since(1), Tick{20});
    resumed.forget(1);
    resumed.forget(3);
    EXPECT_EQ(resumed.since(1), Tick{});
    EXPECT_EQ(resumed.since(2), Tick{30});
    EXPECT_EQ(resumed.size(), 1U);
}

}  // namespace

}  // namespace holdfast
