#include "conn/sweep_pace.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(SweepPace, LooksAtEachSlotOnceAPeriod) {
    const SteadyTime start{};
    SweepPace pace(1s, start);
    std::uint32_t looked = 0;
    for (SteadyTime now = start; now <= start + 10s; now += 100ms) looked += pace.take(now, 19'000, 2'048);
    EXPECT_NEAR(looked, 190'000, 1);
    EXPECT_FALSE(pace.behind() && looked < 189'999);
}

TEST(SweepPace, AFewSlotsAreNotForgotten) {
    const SteadyTime start{};
    SweepPace pace(1s, start);
    std::uint32_t looked = 0;
    for (SteadyTime now = start; now <= start + 10s; now += 100ms) looked += pace.take(now, 1, 2'048);
    EXPECT_NEAR(looked, 10, 1);
}

TEST(SweepPace, NeverMoreThanASliceATurnAndTheRestIsOwed) {
    const SteadyTime start{};
    SweepPace pace(1s, start);
    EXPECT_EQ(pace.take(start + 60s, 5'000, 2'048), 2'048U);
    EXPECT_TRUE(pace.behind());
    EXPECT_EQ(pace.take(start + 60s, 5'000, 2'048), 2'048U);
    EXPECT_EQ(pace.take(start + 60s, 5'000, 2'048), 904U);  // after a long halt each is owed one look, not sixty
    EXPECT_FALSE(pace.behind());
}

}  // namespace
}  // namespace holdfast
