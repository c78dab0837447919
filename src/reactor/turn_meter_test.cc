#include "reactor/turn_meter.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(TurnMeter, KeepsTheLongestByEachClock) {
    TurnMeter meter;
    meter.count(3ms, 1ms);
    meter.count(2ms, 2ms);
    EXPECT_EQ(meter.longest(), 3ms);
    EXPECT_EQ(meter.longest_cpu(), 2ms);
    EXPECT_EQ(meter.long_turns(), 0U);
}

TEST(TurnMeter, CountsLongTurnsByWallTime) {
    TurnMeter meter;
    meter.count(100ms, 1ms);
    meter.count(99ms, 99ms);
    meter.count(2s, 0ms);
    EXPECT_EQ(meter.long_turns(), 2U);
}

}  // namespace
}  // namespace holdfast
