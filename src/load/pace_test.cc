#include "load/pace.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(Pace, TheSumEqualsTheRateForAnyNumberOfCalls) {
    const SteadyTime start{};
    Pace pace(333, start);
    std::uint64_t taken = 0;
    for (auto at = 0ms; at <= 10s; at += 7ms) {
        const std::uint64_t due = pace.due(start + at);
        pace.take(due);
        taken += due;
    }
    EXPECT_NEAR(static_cast<double>(taken), 3'330, 4);
}

TEST(Pace, APauseIsNotFollowedByAFlood) {
    const SteadyTime start{};
    Pace pace(1'000, start);
    EXPECT_EQ(pace.due(start + 60s), 1'000U);
    pace.take(1'000);
    EXPECT_EQ(pace.due(start + 60s), 0U);
    EXPECT_EQ(pace.due(start + 60'100ms), 100U);
}

TEST(Pace, LessThanOneASecondStillComes) {
    const SteadyTime start{};
    Pace pace(0.25, start);
    EXPECT_EQ(pace.due(start + 3'900ms), 0U);
    EXPECT_EQ(pace.due(start + 4'100ms), 1U);
}

TEST(Pace, NothingIsNothing) {
    Pace pace(0, SteadyTime{});
    EXPECT_EQ(pace.due(SteadyTime{} + 1h), 0U);
}

TEST(Backoff, GrowsToItsLimitAndIsSpread) {
    EXPECT_EQ(backoff(0, 0), 50ms);
    EXPECT_EQ(backoff(1, 0), 100ms);
    EXPECT_EQ(backoff(5, 0), 1'600ms);
    EXPECT_EQ(backoff(6, 0), 2'500ms);
    EXPECT_EQ(backoff(4'000'000'000U, 0.5), 3'750ms);
    EXPECT_LT(backoff(0, 0.999), 101ms);
    EXPECT_GT(backoff(0, 0.999), 98ms);
}

}  // namespace
}  // namespace holdfast
