#include "base/wall_line.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST(WallLine, FollowsStepsAndNotJitter) {
    WallLine line;
    const SteadyTime start{hours(5)};
    const WallTime wall{hours(24 * 365)};
    EXPECT_EQ(line.follow(start, wall), milliseconds(0));
    EXPECT_EQ(line.follow(start + hours(1), wall + hours(1) + milliseconds(3)), milliseconds(0));
    EXPECT_EQ(line.at(start), wall);
    EXPECT_EQ(line.follow(start + hours(1), wall + hours(3)), hours(2));
    EXPECT_EQ(line.follow(start + hours(2), wall + hours(4)), milliseconds(0)) << "each step once";
    EXPECT_EQ(line.at(start + hours(1)), wall + hours(3)) << "an hour ago by both clocks";
    EXPECT_EQ(line.follow(start + hours(2), wall + hours(1)), hours(-3));
    EXPECT_EQ(line.at(start + hours(1)), wall);
}

}  // namespace
}  // namespace holdfast
