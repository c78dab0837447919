#include "conn/core.h"

#include <gtest/gtest.h>

#include "testing/shard_rig.h"

namespace holdfast {
namespace {

TEST(Core, TheTimesOfConnectionsFollowAClockThatIsSet) {
    ShardRig rig;
    const int fd = rig.connect();
    const Tick opened = rig.find(fd)->opened;
    rig.pass(std::chrono::seconds(10));
    const WallTime before = rig.shard.wall_of(opened);
    for (const auto step : {std::chrono::hours(30), std::chrono::hours(-50)}) {
        rig.clock.step_wall(step);
        rig.pass(std::chrono::seconds(10));
        const auto age = rig.clock.wall() - rig.shard.wall_of(opened);
        EXPECT_GE(age, std::chrono::seconds(19));
        EXPECT_LE(age, std::chrono::seconds(31));
    }
    EXPECT_EQ(rig.shard.wall_of(opened), before - std::chrono::hours(20));
}

}  // namespace
}  // namespace holdfast
