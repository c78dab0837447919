#include "keeper/restart_policy.h"

#include <csignal>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using Action = KeeperStep::Action;

constexpr SteadyTime start{1h};
constexpr WorkerEnd killed{.by_signal = true, .code = SIGKILL, .has_served = true, .stop_requested = false};

TEST(RestartPolicy, AWorkerThatWasToldToStopEndsTheKeeperWithItsCode) {
    RestartPolicy policy(3);
    EXPECT_EQ(policy.after({.by_signal = false, .code = 0, .has_served = true, .stop_requested = true}, start),
              (KeeperStep{.action = Action::exit, .pause = 0ms, .code = 0}));
    EXPECT_EQ(policy.after({.by_signal = true, .code = SIGKILL, .has_served = true, .stop_requested = true}, start),
              (KeeperStep{.action = Action::exit, .pause = 0ms, .code = 1}));
}

TEST(RestartPolicy, AWorkerThatEndsByItselfEndsTheKeeper) {
    RestartPolicy policy(3);
    EXPECT_EQ(policy.after({.by_signal = false, .code = 2, .has_served = false, .stop_requested = false}, start).code,
              2);
    EXPECT_EQ(policy.after({.by_signal = false, .code = 1, .has_served = true, .stop_requested = false}, start),
              (KeeperStep{.action = Action::exit, .pause = 0ms, .code = 1}));
}

TEST(RestartPolicy, WorkersThatCannotStartLeaveTheConnectionsInPlace) {
    RestartPolicy policy(2);
    EXPECT_EQ(policy.after(killed, start).action, Action::restart);
    const WorkerEnd cannot{.by_signal = false, .code = 2, .has_served = false, .stop_requested = false};
    EXPECT_EQ(policy.after(cannot, start + 1s), (KeeperStep{.action = Action::restart, .pause = 50ms, .code = 0}));
    EXPECT_EQ(policy.after(cannot, start + 2s), (KeeperStep{.action = Action::restart, .pause = 100ms, .code = 0}));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(policy.after(cannot, start + 2s).action, Action::restart);
    EXPECT_EQ(policy.after(cannot, start + 3s).pause, RestartPolicy::longest_pause_to_start);
    EXPECT_EQ(policy.after(killed, start + 62s).action, Action::restart);
    EXPECT_EQ(policy.after(cannot, start + 63s).pause, 50ms) << "a worker served in between";
}

TEST(RestartPolicy, TheFirstRestartComesAtOnceAndLaterOnesWait) {
    RestartPolicy policy(100);
    EXPECT_EQ(policy.after(killed, start), (KeeperStep{.action = Action::restart, .pause = 0ms, .code = 0}));
    EXPECT_EQ(policy.after(killed, start + 1s).pause, 50ms);
    EXPECT_EQ(policy.after(killed, start + 2s).pause, 100ms);
    for (int i = 3; i < 50; ++i) EXPECT_LE(policy.after(killed, start + 2s).pause, RestartPolicy::longest_pause);
    EXPECT_EQ(policy.after(killed, start + 2s).pause, RestartPolicy::longest_pause);
}

TEST(RestartPolicy, CrashesOfAnEarlierMinuteDoNotCount) {
    RestartPolicy policy(3);
    for (int minute = 0; minute < 20; ++minute) {
        EXPECT_EQ(policy.after(killed, start + minute * 31s).action, Action::restart) << minute;
    }
}

TEST(RestartPolicy, ThreeCrashesInAMinuteGiveTheConnectionsUp) {
    RestartPolicy policy(3);
    EXPECT_EQ(policy.after(killed, start).action, Action::restart);
    EXPECT_EQ(policy.after(killed, start + 20s).action, Action::restart);
    EXPECT_EQ(policy.after(killed, start + 40s), (KeeperStep{.action = Action::start_over, .pause = 1s, .code = 0}));
}

TEST(RestartPolicy, PausesGrowWhileConnectionsAreGivenUpAgainAndAgain) {
    RestartPolicy policy(1);
    std::chrono::milliseconds before{0};
    for (int i = 0; i < 10; ++i) {
        const KeeperStep step = policy.after(killed, start + i * 10s);
        EXPECT_EQ(step.action, Action::start_over);
        EXPECT_TRUE(step.pause > before || step.pause == RestartPolicy::longest_pause_over);
        before = step.pause;
    }
    EXPECT_EQ(before, RestartPolicy::longest_pause_over);
    EXPECT_EQ(policy.after(killed, start + 1h).pause, 1s);
}

}  // namespace
}  // namespace holdfast
