#include "spool/spool_clock.h"

#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "spool/spool.h"
#include "testing/test_spool.h"

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

using namespace std::chrono_literals;

/// Tests ages of events and sessions over steps of the wall clock and restarts of the machine.
class SpoolAgeTest : public testing::Test {
protected:
    SpoolOptions options() {
        SpoolOptions options;
        options.directory = directory_.in("spool");
        options.read_clocks = [this] { return clock_.read(); };
        return options;
    }
    std::uint64_t look_up(Spool& spool, const std::string& id, const std::string& session) {
        std::promise<std::uint64_t> answer;
        spool.look_up({id, session}, [&](std::uint64_t seq) { answer.set_value(seq); });
        return answer.get_future().get();
    }
    static void wait_until(const std::function<bool()>& holds) {
        for (int i = 0; i < 3000 && !holds(); ++i) std::this_thread::sleep_for(10ms);
        EXPECT_TRUE(holds());
    }

    TemporaryDirectory directory_;
    SharedClock clock_;
    std::mutex mutex_;
};

TEST_F(SpoolAgeTest, AStepOfTheWallClockDeletesNothingAndIsReported) {
    std::vector<std::chrono::milliseconds> steps;
    auto wanted = options();
    wanted.retain_age = 1h;
    wanted.on_clock_step = [&](std::chrono::milliseconds by) {
        const std::lock_guard lock(mutex_);
        steps.push_back(by);
    };
    auto spool = open_spool(wanted);
    const auto rounds_pass = [&] {
        const std::uint64_t rounds = spool->status().keeper_rounds;
        wait_until([&] { return spool->status().keeper_rounds >= rounds + 2; });
    };
    append_and_wait(*spool, 1, 10);
    SpoolBatch marks{.lines = {}, .events = 0, .listeners = {}, .marks = {{{"d", "s"}, 7}}, .durable = {}};
    spool->append(std::move(marks));
    EXPECT_EQ(look_up(*spool, "d", "s"), 7U);
    clock_.step(24h * 365 * 56);  // a machine without a battery-backed clock obtains the time
    rounds_pass();
    spool.reset();
    clock_.step(24h * 365);  // while the gateway is away
    spool = open_spool(wanted);
    rounds_pass();
    EXPECT_EQ(spool->status().first, 1U);
    EXPECT_EQ(spool->status().oldest, 0ms);
    EXPECT_EQ(look_up(*spool, "d", "s"), 7U);
    clock_.step(-24h * 365 * 3);
    rounds_pass();
    append_and_wait(*spool, 11, 12);
    EXPECT_EQ(read_all(*spool).events.size(), 12U);
    EXPECT_EQ(steps, (std::vector<std::chrono::milliseconds>{24h * 365 * 56, 24h * 365, -24h * 365 * 3}));
    clock_.advance(2h);  // ages increase
    wait_until([&] { return spool->status().first == 13; });
}

TEST_F(SpoolAgeTest, TheTimeThatTheMachineWasOffDoesNotAge) {
    auto wanted = options();
    wanted.retain_age = 1h;
    auto spool = open_spool(wanted);
    append_and_wait(*spool, 1, 10);
    for (const auto off : {24h * 30, -24h * 400}) {  // the second time, the clock lost its battery too
        spool.reset();
        clock_.reboot(off);
        spool = open_spool(wanted);
        EXPECT_FALSE(spool->status().away.certain);
        const std::uint64_t rounds = spool->status().keeper_rounds;
        wait_until([&] { return spool->status().keeper_rounds >= rounds + 2; });
        EXPECT_EQ(spool->status().first, 1U);
    }
    spool.reset();
    clock_.advance(40min);  // only the gateway is away
    spool = open_spool(wanted);
    EXPECT_TRUE(spool->status().away.certain);
    EXPECT_EQ(spool->status().away.time, 40min);
    EXPECT_EQ(spool->status().oldest, 40min);
}

}  // namespace

}  // namespace holdfast
