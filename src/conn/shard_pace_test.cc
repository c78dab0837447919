#include "conn/shard_pace.h"

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "conn/liveness.h"

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

ListenerPolicy policy(milliseconds detect_within, std::optional<milliseconds> read_idle = std::nullopt) {
    ListenerPolicy made;
    made.plan = plan_liveness(detect_within).value();
    made.read_idle = read_idle;
    made.item_deadline = seconds(30);
    return made;
}

struct Effort {
    std::uint64_t wakes = 0;
    std::uint64_t visits = 0;
    std::vector<std::uint64_t> probes;  // by slot - 1
    std::vector<milliseconds> longest_gap;
    std::vector<milliseconds> shortest_between_probes;
};

/// Runs a shard's pace on an injected clock. Each step happens when the pace demands it, and connections have no
/// traffic.
class PaceTest : public testing::Test {
public:
    void listen(const ListenerPolicy& policy) {
        pace_.set_demand(static_cast<std::uint8_t>(policies_.size()), pace_demand(policy), now_);
        policies_.push_back(policy);
    }
    void connect(std::uint8_t listener, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            static_cast<void>(pace_.add(static_cast<std::uint32_t>(connections_.size()) + 1, listener, now_));
            connections_.push_back(std::make_unique<Connection>());
            connections_.back()->listener = listener;
        }
    }
    void disconnect(std::uint32_t slot) { pace_.remove(slot); }

    Effort run(milliseconds span) {
        Effort effort;
        effort.probes.resize(connections_.size());
        effort.longest_gap.resize(connections_.size());
        std::vector<SteadyTime> looked_at(connections_.size(), now_);
        const SteadyTime end = now_ + span;
        for (auto wait = pace_.next_step(now_); wait && now_ + *wait <= end; wait = pace_.next_step(now_)) {
            now_ += *wait;
            ++effort.wakes;
            step(effort, looked_at);
        }
        now_ = end;
        return effort;
    }

    [[nodiscard]] std::uint64_t max_probes(const Effort& effort, std::uint8_t listener) const {
        std::uint64_t max = 0;
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            if (connections_[i]->listener == listener) max = std::max(max, effort.probes[i]);
        }
        return max;
    }
    [[nodiscard]] milliseconds longest_gap(const Effort& effort, std::uint8_t listener) const {
        milliseconds longest{0};
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            if (connections_[i]->listener == listener) longest = std::max(longest, effort.longest_gap[i]);
        }
        return longest;
    }

    SteadyTime now_{hours(1)};
    ShardPace pace_{now_, 1};
    std::vector<ListenerPolicy> policies_;
    std::vector<std::unique_ptr<Connection>> connections_;

private:
    void step(Effort& effort, std::vector<SteadyTime>& looked_at) {
        pace_.pass_probe_ring(now_, [&](std::uint32_t slot) {
            if (pass_probe_ring(*connections_[slot - 1], pace_.is_herd())) ++effort.probes[slot - 1];
        });
        pace_.draw_canaries(now_, [&](std::uint32_t slot) {
            if (!take_as_canary(*connections_[slot - 1])) return false;
            ++effort.probes[slot - 1];
            return true;
        });
        const auto visit = [&](std::uint32_t slot) {
            ++effort.visits;
            const auto gap = std::chrono::floor<milliseconds>(now_ - looked_at[slot - 1]);
            effort.longest_gap[slot - 1] = std::max(effort.longest_gap[slot - 1], gap);
            looked_at[slot - 1] = now_;
        };
        while (pace_.sweep(now_, visit)) {
        }
    }
};

TEST_F(PaceTest, WithoutConnectionsNothingWakes) {
    for (int i = 0; i < 5; ++i) listen(policy(seconds(3), milliseconds(400)));
    pace_.keep_canaries(true);
    EXPECT_EQ(pace_.next_step(now_), std::nullopt);
    EXPECT_EQ(run(hours(1)).wakes, 0U);
}

/// Expected cost of a configuration in a hundred seconds.
struct EffortRow {
    std::string name;
    std::vector<std::pair<ListenerPolicy, std::uint32_t>> listeners;  ///< with the number of their connections
    std::uint64_t visits;
    std::uint64_t wakes;
};

class Row : public PaceTest {
public:
    void TestBody() override {}
    Effort measure(const EffortRow& row) {
        pace_.keep_canaries(true);
        for (const auto& [listener, connections] : row.listeners) {
            listen(listener);
            connect(static_cast<std::uint8_t>(policies_.size() - 1), connections);
        }
        return run(seconds(100));
    }
};

TEST(Pace, EffortFollowsTheConnectionsAndTheirOwnListeners) {
    const auto ordinary = policy(seconds(30));
    const auto patient = policy(hours(1));
    const std::vector<EffortRow> rows{
        {"one connection", {{ordinary, 1}}, 100, 100},
        {"one listener", {{ordinary, 100}}, 10'000, 1'000},
        {"two listeners", {{ordinary, 50}, {ordinary, 50}}, 10'000, 1'000},
        {"five listeners", {5, {ordinary, 20}}, 10'000, 1'000},
        {"read_idle of an hour", {{policy(seconds(30), hours(1)), 100}}, 10'000, 1'000},
        {"read_idle of 2 s", {{policy(seconds(30), seconds(2)), 100}}, 20'000, 2'000},
        {"read_idle of 2 s without connections",
         {{ordinary, 100}, {policy(seconds(30), seconds(2)), 0}},
         10'000,
         1'000},
        {"an hour, beside 10 s without connections", {{patient, 100}, {policy(seconds(10)), 0}}, 10'000, 1'000},
        {"an hour, beside 10 s", {{patient, 90}, {policy(seconds(10)), 10}}, 11'000, 2'000},
        {"10,000 connections", {{ordinary, 10'000}}, 1'000'000, 1'000},
    };
    for (const EffortRow& row : rows) {
        // A herd's probe ring has steps of its own and shifts the sweep's by less than one of them.
        const std::uint64_t herd = row.visits > 100'000 ? 1'000 : 0;
        const Effort effort = Row().measure(row);
        EXPECT_LE(effort.visits, row.visits) << row.name;
        EXPECT_GE(effort.visits, row.visits - herd) << row.name;
        EXPECT_GE(effort.wakes, row.wakes) << row.name;
        EXPECT_LE(effort.wakes, row.wakes + herd) << row.name;
    }
}

TEST_F(PaceTest, LooksAtEachConnectionWithinItsListenersPeriod) {
    listen(policy(hours(1)));
    listen(policy(seconds(3)));
    for (int i = 0; i < 30; ++i) {
        connect(0, 17);
        connect(1, 1);
    }
    const Effort effort = run(seconds(20));
    EXPECT_LE(longest_gap(effort, 0), seconds(1) + milliseconds(100));
    EXPECT_LE(longest_gap(effort, 1), policies_[1].plan.sweep_period + milliseconds(20));
}

TEST_F(PaceTest, ProbesNoConnectionMoreOftenThanItsOwnRound) {
    for (const std::uint32_t many : {20U, 2'000U}) {
        Row row;
        const Effort effort =
            row.measure({"", {{policy(hours(1)), many}, {policy(seconds(10)), many}, {policy(seconds(30)), 0}}, 0, 0});
        EXPECT_LE(row.max_probes(effort, 0), 1U) << many;  // its round exceeds the 100 s
        const auto rounds = seconds(100) / *probe_round(policy(seconds(10)).plan);
        EXPECT_LE(row.max_probes(effort, 1), static_cast<std::uint64_t>(rounds) + 2) << many;
        EXPECT_GE(row.max_probes(effort, 1), static_cast<std::uint64_t>(rounds) / 2) << many;
    }
}

TEST_F(PaceTest, AnHourCostsADeviceOfAnHoursListenerAFewProbes) {
    listen(policy(hours(1)));
    listen(policy(seconds(10)));
    connect(0, 1);
    pace_.keep_canaries(true);
    const auto rounds = static_cast<std::uint64_t>(hours(1) / *probe_round(policies_[0].plan));
    EXPECT_LE(max_probes(run(hours(1)), 0), rounds + 1);
}

TEST_F(PaceTest, DrawsCanariesOfASmallListenerBesideALargeOneAtItsOwnRate) {
    pace_.keep_canaries(true);
    listen(policy(hours(1)));
    listen(policy(seconds(10)));
    connect(0, 3'000);
    connect(1, 10);
    connect(0, 3'000);
    std::uint64_t of_small = 0;
    for (int tenth = 0; tenth < 600; ++tenth) {
        now_ += milliseconds(100);
        pace_.draw_canaries(now_, [&](std::uint32_t slot) {
            of_small += connections_[slot - 1]->listener == 1 ? 1 : 0;
            return true;
        });
    }
    const double rounds = 60.0 / std::chrono::duration<double>(*probe_round(policies_[1].plan)).count();
    EXPECT_NEAR(static_cast<double>(of_small), 10 * rounds, 5 * rounds);
}

TEST_F(PaceTest, FollowsAChangedDemandAndDropsOneWithoutConnections) {
    listen(policy(seconds(30)));
    connect(0, 100);
    EXPECT_EQ(run(seconds(10)).wakes, 100U);
    listen(policy(seconds(3)));  // added by a reload
    EXPECT_EQ(run(seconds(10)).wakes, 100U);
    connect(1, 1);
    EXPECT_GT(run(seconds(10)).visits, 1'050U);
    disconnect(101);
    EXPECT_EQ(run(seconds(10)).visits, 1'000U);
    pace_.set_demand(0, pace_demand(policy(seconds(30), seconds(2))), now_);
    EXPECT_EQ(run(seconds(10)).visits, 2'000U);
    for (std::uint32_t slot = 1; slot <= 100; ++slot) disconnect(slot);
    EXPECT_EQ(pace_.next_step(now_), std::nullopt);
}

TEST_F(PaceTest, ALateTurnOwesEachConnectionOneLook) {
    listen(policy(seconds(30)));
    connect(0, 5'000);
    now_ += seconds(60);
    std::uint64_t visits = 0;
    int turns = 1;
    while (pace_.sweep(now_, [&visits](std::uint32_t) { ++visits; })) ++turns;
    EXPECT_EQ(visits, 5'000U);
    EXPECT_EQ(turns, 3);
}

TEST(SlotListeners, FindsTheNextOfSomeListenersAroundTheEnd) {
    SlotListeners slots;
    SlotListeners::Set wanted{};
    wanted[255] = true;
    EXPECT_EQ(slots.next(0, wanted), 0U);
    slots.add(2, 255);
    slots.add(5, 0);
    slots.add(9, 255);
    EXPECT_EQ(slots.next(0, wanted), 2U);
    EXPECT_EQ(slots.next(2, wanted), 9U);
    EXPECT_EQ(slots.next(9, wanted), 2U);
    slots.remove(2);
    EXPECT_EQ(slots.next(9, wanted), 9U);
    slots.remove(9);
    EXPECT_EQ(slots.next(9, wanted), 0U);
    EXPECT_EQ(slots.members(0), 1U);
    EXPECT_EQ(slots.members(255), 0U);
}

TEST(ProbeRing, ACanaryIsProbedOnceARoundAndTheRingWaitsForIt) {
    Connection connection;
    EXPECT_FALSE(pass_probe_ring(connection, true));  // it had traffic before
    EXPECT_TRUE(take_as_canary(connection));
    EXPECT_FALSE(take_as_canary(connection));
    EXPECT_FALSE(pass_probe_ring(connection, true));  // it answered within the round
    EXPECT_TRUE(pass_probe_ring(connection, true));
    EXPECT_FALSE(take_as_canary(connection));
    EXPECT_FALSE(pass_probe_ring(connection, true));
    EXPECT_TRUE(take_as_canary(connection));
}

TEST(ProbeRing, TheRingProbesHerdsOnly) {
    Connection connection;
    for (int round = 0; round < 4; ++round) EXPECT_FALSE(pass_probe_ring(connection, false));
    EXPECT_TRUE(take_as_canary(connection));
}

}  // namespace
}  // namespace holdfast
