#include "tcp/probe.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

LivenessPlan plan_of(std::chrono::seconds idle, std::chrono::seconds interval, std::chrono::milliseconds user_timeout) {
    LivenessPlan plan;
    plan.idle = idle;
    plan.interval = interval;
    plan.user_timeout = user_timeout;
    return plan;
}

TEST(ForcedProbe, EndsOnThePlansOwnProbes) {
    const LivenessPlan plan = plan_of(10s, 2s, 19'600ms);
    EXPECT_EQ(keepidle_after_probe(plan, 1s), 10s);
    EXPECT_EQ(keepidle_after_probe(plan, 9'999ms), 10s);
    EXPECT_EQ(keepidle_after_probe(plan, 10s), 12s) << "the probe at 10 s is out";
    EXPECT_EQ(keepidle_after_probe(plan, 11'900ms), 12s);
    EXPECT_EQ(keepidle_after_probe(plan, 12s), 14s);
    EXPECT_EQ(keepidle_after_probe(plan, 19'700ms), 20s) << "the plan's verdict, and not sooner";
}

TEST(ForcedProbe, EveryPlanKeepsItsVerdict) {
    for (const auto within : {3s, 9s, 15s, 30s, 60s, 120s, 3'600s}) {
        const LivenessPlan plan = plan_liveness(within).value();
        std::chrono::milliseconds verdict = plan.idle;
        while (verdict < plan.user_timeout) verdict += plan.interval;
        for (std::chrono::milliseconds silence = 0ms; silence < verdict; silence += 50ms) {
            std::chrono::milliseconds next = keepidle_after_probe(plan, silence);
            ASSERT_GT(next, silence) << within.count() << " s";
            while (next < plan.user_timeout) next += plan.interval;
            ASSERT_EQ(next, verdict) << "at " << within.count() << " s, ended after " << silence.count() << " ms";
        }
    }
}

TEST(ForcedProbe, NoneAtTheTimeOfTheVerdict) {
    const LivenessPlan plan = plan_of(10s, 1s, 27'500ms);
    EXPECT_TRUE(may_force_probe(plan, 1s));
    EXPECT_TRUE(may_force_probe(plan, 26'400ms));
    EXPECT_FALSE(may_force_probe(plan, 26'500ms));
    EXPECT_FALSE(may_force_probe(plan, 28s));
}

}  // namespace
}  // namespace holdfast
