#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/alarm_fleet.h"
#include "testing/instrumented.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

using Seconds = TestFleet::Seconds;

std::string told(const Alarm& alarm, Seconds at) {
    return std::string(to_string(alarm.kind)) + " on day " + std::to_string(at / TestFleet::day) + " at " +
           std::to_string(at % TestFleet::day) + " s: " + alarm.summary + " (" + alarm.cause + ")";
}

class AlarmMonth : public testing::TestWithParam<std::uint64_t> {
protected:
    std::uint64_t seed_ = test_seed() + GetParam();
};

/// Deploys four times a day on average. A site of 2 to 8 % restarts, in every fourth case by RST.
class Deploys {
public:
    void second(TestFleet& fleet) {
        if (fleet.now() % 600 == 0) fleet.mark();
        if (fleet.now() < next_) return;
        std::mt19937_64& random = fleet.random();
        next_ = fleet.now() + 900 + static_cast<Seconds>(random() % 42'000);
        if (fleet.now() < 3'600) return;
        ++count;
        const auto spread = 5 + static_cast<Seconds>(random() % 36);
        const std::size_t site = fleet.site_of(2, 8);
        // A site with one address is a proxy. If it resets all connections behind it, an alarm is correct, so it never
        // restarts by RST.
        const bool proxy = fleet.sites[site].prefix.bits == 128;
        const bool by_reset = !proxy && random() % 4 == 0;
        fleet.restart(site, spread, by_reset ? CloseReason::peer_reset : CloseReason::peer_closed);
    }
    int count = 0;

private:
    Seconds next_ = 0;
};

TEST_P(AlarmMonth, ThirtyOrdinaryDaysAreQuiet) {
    SCOPED_TRACE("HOLDFAST_SEED=" + std::to_string(test_seed()) + " + " + std::to_string(GetParam()));
    TestFleet fleet(seed_);
    Deploys deploys;
    std::uint64_t fewest = fleet.total();
    std::uint64_t max = fleet.total();
    while (fleet.now() < 30 * TestFleet::day) {
        deploys.second(fleet);
        for (const Alarm& alarm : fleet.second()) ADD_FAILURE() << told(alarm, fleet.now());
        fewest = std::min(fewest, fleet.total());
        max = std::max(max, fleet.total());
    }
    EXPECT_GT(deploys.count, 80);
    EXPECT_LT(fewest, 6'100U);
    EXPECT_GT(max, 9'800U);
}

/// A planted drop: a site loses its connections in one of four ways, and they return half an hour later.
struct Plant {
    enum class Way : std::uint8_t { silent, unreachable, reset, orderly } way{};
    std::size_t site = 0;
    Seconds at = 0;
    Seconds spread = 0;
    std::uint64_t size = 0;

    [[nodiscard]] CloseReason reason(std::uint64_t nth) const {
        switch (way) {
            case Way::silent:
                return nth % 7 == 0 ? CloseReason::retransmit_expired : CloseReason::keepalive_expired;
            case Way::unreachable:
                return CloseReason::unreachable;
            case Way::reset:
                return CloseReason::peer_reset;
            case Way::orderly:
                break;
        }
        return CloseReason::peer_closed;
    }
    /// Returns the time until which the alarm must be raised.
    [[nodiscard]] Seconds timeout() const { return way <= Way::unreachable ? spread : spread + 120 + 60; }
};

class Planter {
public:
    /// Runs the fleet through one drop. Returns the alarms of that time in their last state.
    std::vector<Alarm> run(TestFleet& fleet, Plant& plant) {
        fleet.mark();
        plant.at = fleet.now();
        plant.size = fleet.sites[plant.site].count;
        std::vector<Alarm> alarms;
        std::uint64_t ended = 0;
        while (fleet.now() < plant.at + 1'800) {
            const Seconds time = std::min(fleet.now() + 1 - plant.at, plant.spread);
            const auto due = plant.size * static_cast<std::uint64_t>(time) / static_cast<std::uint64_t>(plant.spread);
            for (; ended < due && fleet.sites[plant.site].count > 0; ++ended) {
                fleet.end(plant.site, plant.reason(ended));
                fleet.leave(plant.site);
            }
            evaluate(fleet, alarms);
        }
        for (int i = 0; i < 600; ++i) {
            for (int k = 0; k < 10 && fleet.sites[plant.site].away > 0; ++k) {
                fleet.come_back(plant.site);
            }
            evaluate(fleet, alarms);
        }
        return alarms;
    }

private:
    static void evaluate(TestFleet& fleet, std::vector<Alarm>& alarms) {
        for (const Alarm& alarm : fleet.second()) {
            const auto known =
                std::find_if(alarms.begin(), alarms.end(), [&](const Alarm& other) { return other.id == alarm.id; });
            if (known == alarms.end()) {
                alarms.push_back(alarm);
            } else {
                *known = alarm;
            }
        }
    }
};

void expect_found(const TestFleet& fleet, const Plant& plant, const std::vector<Alarm>& alarms) {
    std::string all;
    for (const Alarm& alarm : alarms) all += "\n  " + told(alarm, plant.at);
    const std::string name = to_string(fleet.sites[plant.site].prefix);
    SCOPED_TRACE("planted: " + name + ", " + std::to_string(plant.size) + " of " + std::to_string(fleet.total()) +
                 " in " + std::to_string(plant.spread) + " s, way " + std::to_string(static_cast<int>(plant.way)) +
                 ", told:" + all);
    ASSERT_EQ(alarms.size(), 1U);
    const Alarm& alarm = alarms[0];
    EXPECT_EQ(alarm.kind, AlarmKind::population_drop);
    EXPECT_TRUE(alarm.cleared_at.has_value());
    const Seconds raised = std::chrono::duration_cast<std::chrono::seconds>(alarm.raised_at.time_since_epoch()).count();
    EXPECT_LE(raised, plant.at + plant.timeout());
    ASSERT_EQ(alarm.prefixes.size(), 1U);
    EXPECT_EQ(to_string(alarm.prefixes[0].prefix), name);
    EXPECT_GE(alarm.prefixes[0].dead * 100, plant.size * 97);
    EXPECT_LE(alarm.prefixes[0].dead, plant.size + plant.size / 20);
    EXPECT_LE(alarm.took, std::chrono::seconds(plant.spread + 4));
}

TEST_P(AlarmMonth, EveryPlantedDropIsFoundAndNamed) {
    SCOPED_TRACE("HOLDFAST_SEED=" + std::to_string(test_seed()) + " + " + std::to_string(GetParam()));
    TestFleet fleet(seed_);
    Deploys deploys;
    int planted = 0;
    while (fleet.now() < 10 * TestFleet::day) {
        const Seconds until = fleet.now() + 3'600 + static_cast<Seconds>(fleet.random()() % 14'400);
        while (fleet.now() < until) {
            if (fleet.now() < until - 1'200) deploys.second(fleet);
            for (const Alarm& alarm : fleet.second()) ADD_FAILURE() << "between drops: " << told(alarm, fleet.now());
        }
        Plant plant;
        plant.way = static_cast<Plant::Way>(planted % 4);
        plant.site = fleet.site_of(5, 100);
        plant.spread = 2 + static_cast<Seconds>(fleet.random()() % 29);
        expect_found(fleet, plant, Planter().run(fleet, plant));
        ++planted;
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(planted, 40);
}

INSTANTIATE_TEST_SUITE_P(Seeds, AlarmMonth, testing::Range<AlarmMonth::ParamType>(0, is_instrumented ? 1 : 3));

}  // namespace
}  // namespace holdfast
