#include <cmath>

#include <gtest/gtest.h>

#include <holdfast/liveness.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(KeepalivePlan, ThirtySeconds) {
    const LivenessPlan plan = plan_liveness(30s).value();
    EXPECT_EQ(plan.idle, 10s);
    EXPECT_EQ(plan.interval, 2s);
    EXPECT_EQ(plan.count, 5);
    EXPECT_EQ(plan.user_timeout, 19'600ms);
    EXPECT_EQ(plan.sweep_period, 1s);
    EXPECT_EQ(plan.lost_probes_tolerated, 4);
    EXPECT_EQ(plan.worst_case.in_flight, 28'500ms);
}

// The promise itself, for every whole tenth of a second that is allowed and some odd ones.
TEST(KeepalivePlan, EveryWorstCaseIsWithinTheBound) {
    for (std::chrono::milliseconds bound = min_detect_within; bound <= max_detect_within; bound += 97ms) {
        const LivenessPlan plan = plan_liveness(bound).value();
        SCOPED_TRACE(bound.count());
        ASSERT_LE(plan.worst_case.fin_or_reset, bound);
        ASSERT_LE(plan.worst_case.idle, bound);
        ASSERT_LE(plan.worst_case.in_flight, bound);
        ASSERT_LE(plan.worst_case.probing, bound);
        ASSERT_LE(plan.worst_case.zero_window, bound);
        ASSERT_GE(plan.idle, 1s);
        ASSERT_GE(plan.interval, 1s);
        ASSERT_GE(plan.count, 1);
        ASSERT_LE(plan.sweep_period, 1s);
    }
}

// FACTS: T = IDLE + INTVL * max(1, ceil((UT - IDLE) / INTVL)) is when the kernel ends an idle connection.
TEST(KeepalivePlan, TheUserTimeoutLetsAllProbesGoOut) {
    for (std::chrono::milliseconds bound = min_detect_within; bound <= max_detect_within; bound += 97ms) {
        const LivenessPlan plan = plan_liveness(bound).value();
        const double ticks = std::ceil(static_cast<double>((plan.user_timeout - plan.idle).count()) /
                                       static_cast<double>(std::chrono::milliseconds(plan.interval).count()));
        ASSERT_EQ(static_cast<int>(std::max(1.0, ticks)), plan.count) << bound.count();
    }
}

TEST(KeepalivePlan, FourLostProbesAreToleratedFromFifteenSecondsOn) {
    for (std::chrono::milliseconds bound = 15s; bound <= max_detect_within; bound += 97ms) {
        ASSERT_GE(plan_liveness(bound).value().lost_probes_tolerated, 4) << bound.count();
    }
}

// A living peer answers within a round trip once asked; what is left between its last answer and the limit is room for
// it.
TEST(KeepalivePlan, TheSilenceLimitLeavesALivingPeerTimeToAnswer) {
    for (std::chrono::milliseconds bound = min_detect_within; bound <= max_detect_within; bound += 97ms) {
        const LivenessPlan plan = plan_liveness(bound).value();
        ASSERT_GE(plan.silence_limit - plan.idle, bound / 3) << bound.count();
    }
}

TEST(KeepalivePlan, RefusesWhatCannotBeKeptAndSaysWhy) {
    for (const auto bound : {-1ms, 0ms, 1ms, 2'999ms}) {
        ASSERT_FALSE(plan_liveness(bound));
        EXPECT_NE(plan_liveness(bound).error().message.find("whole seconds"), std::string::npos);
    }
    ASSERT_FALSE(plan_liveness(3'600'001ms));
    EXPECT_NE(plan_liveness(24h).error().message.find("NAT"), std::string::npos);
}

// FACTS: at 1 % loss each way and 15 s idle, three probes kill 4.4 % of idle connections a day, five 0.0018 %.
TEST(KeepalivePlan, FalseDeathsAgreeWithTheMeasuredShare) {
    LivenessPlan plan;
    plan.idle = 15s;
    plan.count = 3;
    EXPECT_NEAR(false_deaths_per_day(plan, 0.01), 0.044, 0.001);
    plan.count = 5;
    EXPECT_NEAR(false_deaths_per_day(plan, 0.01), 0.000018, 0.000001);
    EXPECT_EQ(false_deaths_per_day(plan, 0), 0);
}

}  // namespace
}  // namespace holdfast
