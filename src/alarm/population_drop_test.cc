#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alarm/alarm_commands.h"
#include "testing/alarm_gateway.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// 5,000 connections of three sites, open for an hour.
class PopulationDrop : public testing::Test {
protected:
    PopulationDrop() {
        gateway_.come("10.1.0.1", 3'000);
        gateway_.come("10.2.0.1", 1'000);
        gateway_.come("10.3.0.1", 1'000);
        gateway_.seconds(3'600);
        EXPECT_THAT(gateway_.told, IsEmpty());
    }
    void end_some(const std::string& first, std::size_t from, std::size_t count, CloseReason reason) {
        for (std::size_t i = 0; i < count; ++i) gateway_.end(AlarmGateway::nth(first, from + i), reason);
    }
    const Alarm& only() {
        active_ = gateway_.active();
        EXPECT_THAT(active_, SizeIs(1));
        return active_.at(0);
    }

    AlarmGateway gateway_;
    std::vector<Alarm> active_;
};

TEST_F(PopulationDrop, IsRaisedInTheSecondInWhichItIsSeen) {
    gateway_.end("10.2.0.1", 1'000, CloseReason::keepalive_expired);
    const std::vector<Alarm> news = gateway_.second();
    ASSERT_THAT(news, SizeIs(1));
    const Alarm& alarm = news[0];
    EXPECT_EQ(alarm.kind, AlarmKind::population_drop);
    EXPECT_EQ(alarm.listener, "devices");
    EXPECT_EQ(alarm.count, 1'000U);
    EXPECT_EQ(alarm.population_before, 5'000U);
    EXPECT_EQ(alarm.population_now, 4'000U);
    EXPECT_EQ(alarm.reasons, (std::vector<ReasonShare>{{CloseReason::keepalive_expired, 1'000}}));
    ASSERT_THAT(alarm.prefixes, SizeIs(1));
    EXPECT_EQ(to_string(alarm.prefixes[0].prefix), "10.2.0.0/16");
    EXPECT_EQ(alarm.elsewhere, 0U);
    EXPECT_EQ(alarm.summary, "1,000 in under 1 s, all keepalive_expired, all of 10.2.0.0/16: a partition");
    EXPECT_THAT(alarm.cause, HasSubstr("10.2.0.0/16 is cut off"));
    EXPECT_THAT(
        commands_of(alarm),
        ElementsAre("holdfast alarms 1 --state missing", "holdfast alarms 1 --csv > alarm-1.csv",
                    "holdfast closed --reason keepalive_expired --peer 10.2.0.0/16 --since 1970-02-11T17:00:00Z"));
    EXPECT_EQ(severity_of(alarm.kind), "critical");
}

TEST_F(PopulationDrop, GrowsAndSaysHowFarAndHowLong) {
    gateway_.come("10.5.0.1", 400);
    gateway_.seconds(120);
    for (std::size_t second = 0; second < 10; ++second) {
        end_some("10.5.0.1", 40 * second, 40, second == 9 ? CloseReason::peer_reset : CloseReason::keepalive_expired);
        gateway_.second();
    }
    gateway_.seconds(10);
    const Alarm& alarm = only();
    EXPECT_EQ(alarm.count, 400U);
    EXPECT_EQ(alarm.took, milliseconds(9'000));
    EXPECT_EQ(alarm.summary, "400 in 9 s, 90 % keepalive_expired, all of 10.5.0.0/16: a partition");
    EXPECT_LE(gateway_.told.size(), 4U) << "it is not told again every second";
    for (const Alarm& told : gateway_.told) EXPECT_EQ(told.id, alarm.id);
}

TEST_F(PopulationDrop, IsClearedOnceWhenTheyAreBack) {
    gateway_.end("10.2.0.1", 1'000, CloseReason::keepalive_expired);
    gateway_.seconds(300);
    EXPECT_EQ(only().population_now, 4'000U);
    for (int i = 0; i < 10; ++i) {
        gateway_.come("10.2." + std::to_string(i) + ".1", 100);
        gateway_.second();
    }
    EXPECT_THAT(gateway_.active(), SizeIs(1)) << "not before it has been well for a while";
    gateway_.seconds(60);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    ASSERT_THAT(gateway_.recent(), SizeIs(1));
    EXPECT_TRUE(gateway_.recent()[0].cleared_at.has_value());
    gateway_.seconds(3'600);
    EXPECT_THAT(gateway_.recent(), SizeIs(1));
    EXPECT_EQ(gateway_.told.back().cleared_at, gateway_.recent()[0].cleared_at);
}

TEST_F(PopulationDrop, DoesNotFlapAtTheEdge) {
    gateway_.end("10.2.0.1", 1'000, CloseReason::keepalive_expired);
    gateway_.seconds(70);
    for (int i = 0; i < 40; ++i) {  // most connections return for ten seconds at intervals
        gateway_.come("10.2.0.1", 800);
        gateway_.seconds(10);
        gateway_.end("10.2.0.1", 800, CloseReason::kicked);
        gateway_.seconds(10);
    }
    EXPECT_EQ(gateway_.active().size() + gateway_.recent().size(), 1U);
}

TEST_F(PopulationDrop, TakesTheNewLevelForNormalAfterAWhile) {
    gateway_.end("10.2.0.1", 1'000, CloseReason::peer_reset);
    gateway_.seconds(14 * 60);
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.seconds(120);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    gateway_.seconds(3'600);
    EXPECT_THAT(gateway_.recent(), SizeIs(1));
}

TEST_F(PopulationDrop, ASecondOneBesideItIsItsOwn) {
    gateway_.end("10.2.0.1", 1'000, CloseReason::keepalive_expired);
    gateway_.seconds(150);
    gateway_.end("10.3.0.1", 1'000, CloseReason::unreachable);
    gateway_.second();
    ASSERT_THAT(gateway_.active(), SizeIs(2));
    EXPECT_EQ(gateway_.active()[0].summary, "1,000 in under 1 s, all unreachable, all of 10.3.0.0/16: a route is lost");
    EXPECT_EQ(gateway_.active()[0].population_before, 4'000U);
}

TEST_F(PopulationDrop, ARestartThatComesBackIsNone) {
    gateway_.come("10.5.0.1", 400);
    gateway_.seconds(120);
    for (const CloseReason reason : {CloseReason::peer_closed, CloseReason::peer_reset}) {
        for (std::size_t i = 0; i < 10; ++i) {
            end_some("10.5.0.1", 40 * i, 40, reason);
            gateway_.second();
        }
        gateway_.seconds(60);
        gateway_.come("10.5.0.1", 400);
        gateway_.seconds(600);
    }
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(PopulationDrop, ARestartThatDoesNotComeBackIsOne) {
    gateway_.come("10.5.0.1", 400);
    gateway_.seconds(120);
    for (std::size_t i = 0; i < 10; ++i) {
        end_some("10.5.0.1", 40 * i, 40, CloseReason::peer_closed);
        gateway_.second();
    }
    gateway_.seconds(100);
    EXPECT_THAT(gateway_.told, IsEmpty());
    gateway_.seconds(30);
    EXPECT_EQ(only().summary,
              "400 in 9 s, all peer_closed, all of 10.5.0.0/16, not back: a deploy or stop that did not come back");
    EXPECT_EQ(only().population_before, 5'400U);
}

TEST_F(PopulationDrop, AllResetBehindOneAddressIsItsProxy) {
    for (int i = 0; i < 300; ++i) gateway_.come(AlarmGateway::nth("192.0.2.7", 0));
    gateway_.seconds(120);
    for (int i = 0; i < 300; ++i) gateway_.end(AlarmGateway::nth("192.0.2.7", 0), CloseReason::peer_reset);
    gateway_.second();
    EXPECT_EQ(only().summary, "300 in under 1 s, all peer_reset, all behind 192.0.2.7: the proxy or NAT restarted");
}

TEST_F(PopulationDrop, TheLossOfAllIsTheGatewaysOwnNetwork) {
    gateway_.end("10.1.0.1", 3'000, CloseReason::retransmit_expired);
    gateway_.end("10.2.0.1", 1'000, CloseReason::keepalive_expired);
    gateway_.end("10.3.0.1", 990, CloseReason::keepalive_expired);
    gateway_.second();
    EXPECT_THAT(only().summary, HasSubstr("4,990 in under 1 s, 60 % retransmit_expired"));
    EXPECT_THAT(only().summary, HasSubstr("the gateway's own network"));
}

TEST_F(PopulationDrop, AWholePrefixCountsWhenItIsSmaller) {
    gateway_.come("10.9.0.1", 60);
    gateway_.seconds(120);
    gateway_.end("10.9.0.1", 60, CloseReason::keepalive_expired);
    gateway_.second();
    EXPECT_EQ(only().summary, "60 in under 1 s, all keepalive_expired, all of 10.9.0.0/24: a partition");
}

TEST_F(PopulationDrop, AsManyStrewnOverAllAreNone) {
    for (std::size_t i = 0; i < 60; ++i) gateway_.end_at(i * 70, CloseReason::keepalive_expired);
    gateway_.seconds(600);
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(PopulationDrop, AnOperatorsClosesAreNoDrop) {
    gateway_.end("10.2.0.1", 1'000, CloseReason::kicked);
    gateway_.seconds(600);
    gateway_.status.draining = true;
    gateway_.end("10.3.0.1", 1'000, CloseReason::peer_closed);
    gateway_.end("10.1.0.1", 1'000, CloseReason::peer_reset);
    gateway_.end("10.1.4.1", 1'000, CloseReason::shutdown);
    gateway_.seconds(600);
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(PopulationDrop, ASlowDeclineIsNone) {
    for (int minute = 0; minute < 180; ++minute) {
        for (int i = 0; i < 16; ++i) {
            gateway_.end_at(static_cast<std::size_t>(i) * 61, CloseReason::peer_closed);
            if (i % 4 == 0) gateway_.seconds(15);
        }
    }
    EXPECT_LT(gateway_.living.size(), 2'200U);
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(PopulationDrop, ManyMoreThanAreNotedOneByOneAreCounted) {
    gateway_.end("10.2.0.1", 500, CloseReason::keepalive_expired);
    gateway_.living.erase(std::remove_if(gateway_.living.begin(), gateway_.living.end(),
                                         [](const CensusEntry& entry) {
                                             return parse_prefix("10.2.0.0/16").value().contains(entry.peer);
                                         }),
                          gateway_.living.end());
    gateway_.listener().connections = gateway_.living.size();
    gateway_.listener().closed[static_cast<std::size_t>(CloseReason::keepalive_expired)] += 500;
    gateway_.engine.note_gap(gateway_.now);
    gateway_.second();
    EXPECT_EQ(only().count, 1'000U);
    EXPECT_EQ(only().prefixes[0].dead, 1'000U);
}

TEST_F(PopulationDrop, EndsWithItsListener) {
    gateway_.end("10.2.0.1", 1'000, CloseReason::keepalive_expired);
    gateway_.second();
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.status.listeners.clear();
    gateway_.second();
    EXPECT_THAT(gateway_.active(), IsEmpty());
}

TEST(PopulationDropAtStart, NeedsTwiceAsMany) {
    AlarmGateway gateway;
    gateway.come("10.2.0.1", 1'000);
    gateway.come("10.3.0.1", 200);
    gateway.seconds(20);
    for (std::size_t i = 0; i < 100; ++i) gateway.end_at(i * 7, CloseReason::keepalive_expired);
    gateway.seconds(10);
    EXPECT_THAT(gateway.active(), IsEmpty());
    gateway.end("10.3.0.1", 190, CloseReason::keepalive_expired);
    gateway.second();
    EXPECT_THAT(gateway.active(), SizeIs(1));
}

/// A gateway has no baseline in its first minutes. Even then, ordinary churn is no part of the drop.
TEST(PopulationDropEarly, IsDistinguishedFromChurn) {
    AlarmGateway gateway;
    gateway.come("10.2.0.1", 300);
    gateway.come("10.3.0.1", 900);
    int device = 0;
    const auto churn = [&] {
        for (int i = 0; i < 2; ++i, ++device) {
            gateway.come(AlarmGateway::nth("10.9.0.1", static_cast<std::size_t>(device)));
            if (device >= 60) {
                const auto oldest = static_cast<std::size_t>(device - 60);
                gateway.end(AlarmGateway::nth("10.9.0.1", oldest), CloseReason::peer_reset);
            }
        }
    };
    for (int second = 0; second < 75; ++second) {
        churn();
        gateway.second();
    }
    gateway.end("10.2.0.1", 300, CloseReason::keepalive_expired);
    for (int second = 0; second < 40; ++second) {
        churn();
        gateway.second();
    }
    const std::vector<Alarm> active = gateway.active();
    ASSERT_THAT(active, SizeIs(1));
    EXPECT_GE(active[0].count, 300U);
    EXPECT_LE(active[0].count, 310U);
    EXPECT_THAT(active[0].summary, HasSubstr("keepalive_expired, all of 10.2.0.0/16: a partition"));
    EXPECT_LE(active[0].took, std::chrono::seconds(2));
}

TEST_F(PopulationDrop, EndsThatWereMadeUpForAreNotBlamedForALaterLoss) {
    gateway_.end("10.1.0.1", 2'000, CloseReason::peer_reset);
    gateway_.come("10.4.0.1", 2'000);
    gateway_.seconds(3);
    gateway_.end("10.4.0.1", 2'000, CloseReason::peer_closed);
    for (int i = 0; i < 30; ++i) {
        for (const Alarm& alarm : gateway_.second()) ADD_FAILURE() << alarm.summary;
    }
}

TEST_F(PopulationDrop, DevicesThatSentOnlyBadItemsAreAMatterOfFraming) {
    for (int i = 0; i < 2'000; ++i) gateway_.end_at(0, CloseReason::read_idle, std::chrono::seconds(1), true);
    gateway_.seconds(5);
    std::vector<Alarm> drops = gateway_.active();
    std::erase_if(drops, [](const Alarm& alarm) { return alarm.kind != AlarmKind::population_drop; });
    ASSERT_THAT(drops, SizeIs(1));
    EXPECT_THAT(drops[0].summary, HasSubstr("another framing or format"));
}

}  // namespace
}  // namespace holdfast
