#include "conn/sender.h"

#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

TEST(Sender, SendsAtOnceIfTheKernelHasRoom) {
    ShardRig rig;
    const int fd = rig.connect();
    EXPECT_EQ(rig.shard.send(*rig.find(fd), "hi\n"), SendOutcome::queued);
    EXPECT_EQ(rig.kernel.sent(fd), "hi\n");
    EXPECT_EQ(rig.find(fd)->bytes_out, 3U);
    EXPECT_EQ(rig.find(fd)->downlink, nullptr) << "nothing waits";
}

TEST(Sender, QueuesTheRestAndSendsItInOrder) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.set_room(fd, 2);
    EXPECT_EQ(rig.shard.send(*rig.find(fd), "first\n"), SendOutcome::queued);
    EXPECT_EQ(rig.shard.send(*rig.find(fd), "second\n"), SendOutcome::queued);
    EXPECT_EQ(rig.kernel.sent(fd), "fi");
    EXPECT_EQ(rig.admission.buffers().used(), 11U);
    rig.kernel.set_room(fd, 100);
    rig.turn();
    EXPECT_EQ(rig.kernel.sent(fd), "first\nsecond\n");
    EXPECT_EQ(rig.admission.buffers().used(), 0U);
}

TEST(Sender, RefusesBeyondTheQueueOfTheListener) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.set_room(fd, 0);
    const std::string item(3'000, 'x');
    EXPECT_EQ(rig.shard.send(*rig.find(fd), item), SendOutcome::queued);
    EXPECT_EQ(rig.shard.send(*rig.find(fd), item), SendOutcome::queue_full);
    EXPECT_EQ(rig.find(fd)->downlink->waiting(), 3'000U);
}

TEST(Sender, AQueueThatIsNeverEmptyStaysSmall) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.set_room(fd, 0);
    const std::string item(1'000, 'x');
    EXPECT_EQ(rig.shard.send(*rig.find(fd), item), SendOutcome::queued);
    for (int i = 0; i < 100; ++i) {
        ASSERT_EQ(rig.shard.send(*rig.find(fd), item), SendOutcome::queued);
        rig.kernel.set_room(fd, 1'000);
        rig.turn();
        ASSERT_EQ(rig.find(fd)->downlink->waiting(), 1'000U);
        ASSERT_LE(rig.admission.buffers().used(), 4'000U);
    }
}

TEST(Sender, AFailedSendClosesOnlyOnceTheLastBytesHaveBeenRead) {
    ShardRig rig;
    const int fd = rig.connect();
    rig.kernel.send(fd, "last\n");
    rig.kernel.give_up(fd, ETIMEDOUT);
    EXPECT_EQ(rig.shard.send(*rig.find(fd), "hi\n"), SendOutcome::no_such_connection);
    EXPECT_THAT(rig.handler.items, testing::IsEmpty());
    rig.turn();
    EXPECT_THAT(rig.handler.items, testing::ElementsAre("last"));
    ASSERT_EQ(rig.handler.closed.size(), 1U);
    EXPECT_EQ(rig.handler.closed[0].second.error, ETIMEDOUT);
}

}  // namespace
}  // namespace holdfast
