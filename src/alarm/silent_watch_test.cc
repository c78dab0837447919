#include "alarm/silent_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/alarm_gateway.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// A gateway of 1,000 connections, of which 412 lie in 10.2.0.0/16.
class Silence : public testing::Test {
protected:
    Silence() {
        for (int net = 0; net < 2; ++net) gateway_.come("10.2." + std::to_string(100 * net) + ".1", 206);
        gateway_.come("172.16.0.1", 588);
        gateway_.seconds(600);
        EXPECT_THAT(gateway_.told, IsEmpty());
    }
    /// Marks the connections [first, last) of the gateway as suspect.
    void suspect(std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
            gateway_.living[i].suspect = true;
            note(Observation::Kind::suspected, gateway_.living[i].peer);
        }
        gateway_.listener().suspects += last - first;
        gateway_.listener().suspected += last - first;
    }
    void recover(std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) {
            gateway_.living[i].suspect = false;
            note(Observation::Kind::recovered, gateway_.living[i].peer);
        }
        gateway_.listener().suspects -= last - first;
        gateway_.listener().recovered += last - first;
    }
    /// Ends `count` connections by their plan: the first ones, or every other one.
    void end(std::size_t count, bool every_other = false) {
        for (std::size_t i = 0; i < count; ++i) {
            gateway_.end_at(every_other ? i : 0, CloseReason::keepalive_expired, seconds(28));
        }
        gateway_.listener().suspects -= count;
    }
    Alarm only(AlarmKind kind = AlarmKind::peers_silent) {
        std::vector<Alarm> found;
        for (const Alarm& alarm : gateway_.active()) {
            if (alarm.kind == kind) found.push_back(alarm);
        }
        EXPECT_THAT(found, SizeIs(1));
        return found.empty() ? Alarm{} : found[0];
    }

    AlarmGateway gateway_;

private:
    void note(Observation::Kind kind, const IpAddress& peer) {
        Observation seen;
        seen.kind = kind;
        seen.peer = peer;
        seen.at = gateway_.now;
        gateway_.engine.note(seen);
    }
};

TEST_F(Silence, NamesThePrefixAndReportsWhenAllHaveAnsweredAgain) {
    suspect(0, 412);
    gateway_.evaluate();
    const Alarm alarm = only();
    EXPECT_EQ(alarm.listener, "devices");
    EXPECT_EQ(alarm.summary, "412 fell silent together and do not answer, all of 10.2.0.0/16: a partition");
    EXPECT_EQ(alarm.cause,
              "The network of 10.2.0.0/16 is cut off: its peers fell silent together, without FIN or RST.");
    EXPECT_THAT(alarm.advice, AllOf(HasSubstr("holdfast list --suspect --peer 10.2.0.0/16"),
                                    HasSubstr("holdfast probe --peer 10.2.0.0/16")));
    EXPECT_EQ(alarm.count, 412U);
    ASSERT_TRUE(alarm.silent);
    EXPECT_EQ(alarm.silent->suspects, 412U);
    EXPECT_EQ(alarm.silent->since, alarm.raised_at);
    ASSERT_THAT(alarm.prefixes, SizeIs(1));
    EXPECT_EQ(alarm.prefixes[0].dead, 412U);
    EXPECT_EQ(alarm.population_before, 1'000U);

    gateway_.now += milliseconds(6'100);
    recover(0, 412);
    const auto news = gateway_.second();
    ASSERT_THAT(news, SizeIs(1)) << "it is told at once, and not only when the alarm is cleared";
    EXPECT_EQ(news[0].summary, "412 of 412 answered again after 6.1 s, all of 10.2.0.0/16");
    EXPECT_FALSE(news[0].cleared_at);
    gateway_.seconds(3);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    ASSERT_THAT(gateway_.recent(), SizeIs(1));
    EXPECT_EQ(gateway_.recent()[0].summary, news[0].summary);
    EXPECT_EQ(gateway_.recent()[0].population_now, 1'000U);
    gateway_.seconds(1'200);
    EXPECT_THAT(gateway_.told, SizeIs(3)) << "raised, answered, cleared";
}

TEST_F(Silence, TheDropReportsConnectionsThatEnd) {
    suspect(0, 412);
    gateway_.seconds(5);
    recover(400, 412);
    gateway_.seconds(6);
    EXPECT_THAT(only().summary,
                HasSubstr("12 of 412 answered again after 5.0 s, 400 do not answer, all of 10.2.0.0/16"));
    gateway_.seconds(16);
    end(200, true);
    gateway_.seconds(1);
    const Alarm drop = only(AlarmKind::population_drop);
    EXPECT_LE(drop.elsewhere, 1U) << "one left out costs less than a prefix of its own";
    ASSERT_THAT(drop.prefixes, Not(IsEmpty()));
    for (const PrefixShare& share : drop.prefixes) EXPECT_EQ(share.alive, 0U) << "the other suspects are not alive";
    end(200);
    gateway_.seconds(6);
    EXPECT_EQ(only(AlarmKind::population_drop).count, 400U);
    gateway_.seconds(3);
    ASSERT_THAT(gateway_.recent(), SizeIs(1));
    EXPECT_THAT(gateway_.recent()[0].summary, HasSubstr("12 of 412 answered again after 5.0 s, 400 ended"));
}

TEST_F(Silence, AFewOrStrewnOnesAreNoAlarm) {
    suspect(0, 19);
    gateway_.seconds(5);
    EXPECT_THAT(gateway_.told, IsEmpty()) << "fewer than drop_least";
    recover(0, 19);
    gateway_.seconds(5);
    for (std::size_t i = 0; i < 1'000; i += 25) suspect(i, i + 1);  // 40 of all networks, less than drop_percent
    gateway_.seconds(5);
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(Silence, SilenceOfAllIsTheGatewaysOwnNetwork) {
    suspect(0, 1'000);
    gateway_.evaluate();
    EXPECT_THAT(only().summary, HasSubstr("the gateway's own network"));
    EXPECT_THAT(only().advice, HasSubstr("holdfast probe --all"));
}

TEST_F(Silence, AnOutageOfTheOwnLinkIsNamedWhileItLasts) {
    gateway_.links = {{.interface = "eth0", .why = "has no carrier", .percent = 98}};
    const auto news = gateway_.second();
    ASSERT_THAT(news, SizeIs(1));
    EXPECT_EQ(news[0].kind, AlarmKind::link_down);
    EXPECT_THAT(news[0].summary, HasSubstr("the gateway's own link: eth0 has no carrier; 98 % of the peers"));
    EXPECT_THAT(news[0].advice, HasSubstr("ip link show dev eth0"));
    suspect(0, 1'000);
    gateway_.second();
    EXPECT_THAT(only().summary, HasSubstr("the gateway's own link"));
    EXPECT_EQ(only().cause, "The gateway's own link is down: eth0 has no carrier.");
    gateway_.links.clear();
    gateway_.second();
    EXPECT_THAT(only().cause, Not(HasSubstr("eth0")));
    gateway_.seconds(2);
    EXPECT_EQ(only(AlarmKind::link_down).summary, news[0].summary);
    gateway_.second();
    EXPECT_THAT(gateway_.active(), SizeIs(1));
}

TEST_F(Silence, WhatFlapsIsOneAlarmThatStaysLonger) {
    std::size_t raised = 0;
    for (int minute = 0; minute < 30; ++minute) {  // a site sleeps for a quarter of each minute
        suspect(0, 412);
        gateway_.seconds(15);
        recover(0, 412);
        gateway_.seconds(45);
    }
    for (const Alarm& alarm : gateway_.told) raised = std::max<std::size_t>(raised, alarm.id);
    EXPECT_LE(raised, 6U);
    EXPECT_THAT(only().summary, HasSubstr("times since the alarm was raised"));
    EXPECT_EQ(only().count, 412U) << "of the latest time";
    gateway_.seconds(120);
    EXPECT_THAT(gateway_.active(), IsEmpty());
}

}  // namespace
}  // namespace holdfast
