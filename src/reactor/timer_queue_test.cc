#include "reactor/timer_queue.h"

#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(TimerQueue, RunsWhatIsDueInOrderAndOnce) {
    TimerQueue timers;
    const SteadyTime start{};
    std::vector<int> ran;
    timers.schedule(start + 20ms, [&] { ran.push_back(2); });
    timers.schedule(start + 10ms, [&] { ran.push_back(1); });
    timers.schedule(start + 30ms, [&] { ran.push_back(3); });
    EXPECT_EQ(timers.next(), start + 10ms);
    timers.advance_to(start + 9ms);
    EXPECT_TRUE(ran.empty());
    timers.advance_to(start + 20ms);
    EXPECT_EQ(ran, (std::vector{1, 2}));
    timers.advance_to(start + 40ms);
    timers.advance_to(start + 50ms);
    EXPECT_EQ(ran, (std::vector{1, 2, 3}));
    EXPECT_EQ(timers.next(), std::nullopt);
}

TEST(TimerQueue, ATimerThatSchedulesItselfForNowDoesNotSpin) {
    TimerQueue timers;
    const SteadyTime start{};
    int runs = 0;
    std::function<void()> again = [&] {
        ++runs;
        timers.schedule(start, again);
    };
    timers.schedule(start, again);
    timers.advance_to(start);
    EXPECT_EQ(runs, 1);
    timers.advance_to(start);
    EXPECT_EQ(runs, 2);
}

}  // namespace
}  // namespace holdfast
