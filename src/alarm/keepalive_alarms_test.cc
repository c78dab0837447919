#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/alarm_gateway.h"

namespace holdfast {
namespace {

using std::chrono::seconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// A gateway of 1,000 connections, an hour old.
class KeepaliveAlarms : public testing::Test {
protected:
    KeepaliveAlarms() {
        gateway_.come("10.1.0.1", 1'000);
        gateway_.seconds(3'600);
    }
    Alarm only() {
        const std::vector<Alarm> active = gateway_.active();
        EXPECT_THAT(active, SizeIs(1));
        return active.empty() ? Alarm{} : active[0];
    }

    AlarmGateway gateway_;
};

TEST_F(KeepaliveAlarms, KeepaliveThatSomethingElseAnswers) {
    for (std::size_t i = 0; i < 30; ++i) {
        gateway_.end_at(i, CloseReason::read_idle, seconds(8));
        gateway_.seconds(15);
    }
    EXPECT_EQ(only().kind, AlarmKind::keepalive_ineffective);
    EXPECT_EQ(only().reasons, (std::vector<ReasonShare>{{CloseReason::read_idle, 30}}));
    EXPECT_EQ(only().summary,
              "30 in 10 min ended by read_idle or late retransmission, 0 found by keep-alive: another machine answers "
              "for the devices");
    EXPECT_THAT(only().cause, HasSubstr("A proxy, NAT or balancer answers"));
    ASSERT_NE(only().peers, nullptr);
    EXPECT_THAT(*only().peers, SizeIs(30)) << "its members";
    gateway_.seconds(480);
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.seconds(240);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    EXPECT_THAT(gateway_.recent(), SizeIs(1));
}

TEST_F(KeepaliveAlarms, DevicesWhoseItemsAreAllBadAreAMatterOfFraming) {
    for (std::size_t i = 0; i < 30; ++i) {
        gateway_.end_at(i, CloseReason::read_idle, seconds(8), true);
        gateway_.seconds(15);
    }
    EXPECT_EQ(only().kind, AlarmKind::keepalive_ineffective);
    EXPECT_THAT(only().summary, EndsWith(": the devices send only bad items"));
    EXPECT_THAT(only().cause, HasSubstr("another framing, format or key field"));
    EXPECT_THAT(only().cause + only().advice, Not(HasSubstr("answers")));
}

TEST_F(KeepaliveAlarms, AReadIdleThatIsTooShortIsNoFaultOfKeepalive) {
    gateway_.listener().read_idle = seconds(20);
    gateway_.listener().plan = plan_liveness(seconds(30)).value();
    for (std::size_t i = 0; i < 30; ++i) {
        gateway_.end_at(i, CloseReason::read_idle, seconds(8));
        gateway_.seconds(15);
    }
    EXPECT_THAT(only().summary, EndsWith(": read_idle is shorter than detect_within"));
    EXPECT_THAT(only().advice, HasSubstr("Raise read_idle above detect_within"));
    EXPECT_THAT(only().cause, Not(HasSubstr("answers")));
}

TEST_F(KeepaliveAlarms, TheirTimesMoveWithAClockThatIsSet) {
    for (std::size_t i = 0; i < 30; ++i) {
        gateway_.end_at(i, CloseReason::read_idle, seconds(8));
        gateway_.seconds(15);
    }
    const EventTime before = gateway_.active().front().raised_at;
    gateway_.stepped = std::chrono::hours(5);
    gateway_.second();
    EXPECT_EQ(gateway_.active().front().raised_at, before + std::chrono::hours(5));
}

TEST_F(KeepaliveAlarms, KeepaliveWhoseProbesDoNotWork) {
    for (std::size_t i = 0; i < 30; ++i) {
        gateway_.end_at(i, i % 3 == 0 ? CloseReason::retransmit_expired : CloseReason::read_idle, seconds(600));
        gateway_.seconds(15);
    }
    ASSERT_FALSE(gateway_.active().empty());
    EXPECT_THAT(only().summary, HasSubstr("probes do not work here"));
    EXPECT_THAT(only().reasons, SizeIs(2));
}

TEST_F(KeepaliveAlarms, KeepaliveThatFindsMostIsNone) {
    for (std::size_t i = 0; i < 90; ++i) {
        const bool found = i % 3 != 0;
        gateway_.end_at(i * 7, found ? CloseReason::keepalive_expired : CloseReason::read_idle, seconds(20));
        gateway_.seconds(20);
    }
    for (const Alarm& alarm : gateway_.told) EXPECT_NE(alarm.kind, AlarmKind::keepalive_ineffective) << alarm.summary;
}

}  // namespace
}  // namespace holdfast
