#include "spool/spool_clock.h"

#include <chrono>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr WallTime day{milliseconds(1'795'334'400'000)};

struct Machine {
    ClockReading now{"boot-1", 50h, day};
    SpoolClock clock{[this] { return now; }};

    void pass(milliseconds time) {
        now.since_boot += time;
        now.wall += time;
    }
};

TEST(SpoolClockTest, BeginsAtTheWallClockAndCountsElapsedTime) {
    Machine machine;
    machine.clock.start("", std::nullopt);
    EXPECT_EQ(machine.clock.now(), day);
    machine.pass(90min);
    EXPECT_EQ(machine.clock.now(), day + 90min);
    EXPECT_FALSE(machine.clock.take_step());
    machine.now.wall += 999ms;
    EXPECT_FALSE(machine.clock.take_step());
    machine.now.wall -= 24h * 365;
    EXPECT_EQ(machine.clock.take_step(), milliseconds(-24h * 365));
    EXPECT_FALSE(machine.clock.take_step());
    EXPECT_EQ(machine.clock.now(), day + 90min);
}

TEST(SpoolClockTest, ContinuesInTheSameBootForAnyWallClock) {
    Machine first;
    first.clock.start("", std::nullopt);
    first.pass(10min);
    Machine second{.now = first.now};
    second.pass(3h);
    second.now.wall += 24h * 9;
    second.clock.start(first.clock.stored(), day + 5min);
    EXPECT_TRUE(second.clock.knows_time_away());
    EXPECT_EQ(second.clock.now(), day + 10min + 3h);
    EXPECT_EQ(second.clock.take_step(), milliseconds(24h * 9));
    EXPECT_FALSE(second.clock.take_step());
}

TEST(SpoolClockTest, CountsNoTimeBetweenTwoBoots) {
    Machine first;
    first.clock.start("", std::nullopt);
    first.now.wall += 1h;  // a step, so that the two clocks differ
    first.pass(10min);
    for (const milliseconds off : {milliseconds(24h * 30), milliseconds(-2h)}) {
        Machine second{.now = {"boot-2", 900h, first.now.wall + off}};
        second.clock.start(first.clock.stored(), day);
        EXPECT_FALSE(second.clock.knows_time_away());
        EXPECT_EQ(second.clock.now(), day + 10min);
        EXPECT_EQ(second.clock.former_wall(day), day + 1h);
        const auto step = second.clock.take_step();
        EXPECT_EQ(step.has_value(), off < 0ms);
        EXPECT_EQ(step.value_or(off), off);
    }
    Machine nameless{.now = {"", 900h, day}};
    nameless.clock.start(first.clock.stored(), day);
    EXPECT_EQ(nameless.clock.now(), day + 10min);
    Machine again{.now = {"", 901h, day}};
    again.clock.start(nameless.clock.stored(), day);
    EXPECT_FALSE(again.clock.knows_time_away()) << "two boots without a name are not the same";
}

TEST(SpoolClockTest, ABootTimeThatGoesBackIsNoTime) {
    Machine first;
    first.clock.start("", std::nullopt);
    Machine second{.now = {"boot-1", 1h, day}};
    second.clock.start(first.clock.stored(), std::nullopt);
    EXPECT_EQ(second.clock.now(), day);
}

TEST(SpoolClockTest, ADamagedTextCountsAsNone) {
    Machine first;
    first.clock.start("", std::nullopt);
    const std::string stored = first.clock.stored();
    for (std::size_t i = 0; i < stored.size(); ++i) {
        std::string damaged = stored;
        damaged[i] = static_cast<char>(damaged[i] ^ 1);
        Machine second{.now = first.now};
        second.clock.start(damaged, day - 5h);
        EXPECT_EQ(second.clock.now(), day - 5h) << damaged;
    }
    Machine second{.now = first.now};
    second.clock.start(stored.substr(0, stored.size() / 2), std::nullopt);
    EXPECT_EQ(second.clock.now(), day);
}

TEST(SpoolClockTest, TheSystemsClocksAgreeWithThemselves) {
    const ClockReading first = read_system_clocks();
    const ClockReading second = read_system_clocks();
    EXPECT_EQ(first.boot, second.boot);
    EXPECT_GE(second.since_boot, first.since_boot);
    EXPECT_GT(first.since_boot, 0ms);
}

}  // namespace
}  // namespace holdfast
