#include "alarm/storm_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/alarm_gateway.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Storm : public testing::Test {
protected:
    Storm() { gateway_.seconds(1'200); }

    std::vector<Alarm> storms() const {
        std::vector<Alarm> found;
        for (const Alarm& alarm : gateway_.told) {
            if (alarm.kind == AlarmKind::reconnect_storm && !alarm.cleared_at) found.push_back(alarm);
        }
        return found;
    }

    AlarmGateway gateway_;
};

TEST_F(Storm, AShortLoadIsNone) {
    for (int step = 0; step < 10; ++step) {
        gateway_.come("10.2." + std::to_string(step) + ".1", 100);
        gateway_.seconds(1);
    }
    gateway_.seconds(5);
    for (int step = 0; step < 10; ++step) {
        gateway_.end("10.2." + std::to_string(step) + ".1", 100, CloseReason::peer_closed);
        gateway_.seconds(1);
    }
    gateway_.seconds(120);
    EXPECT_THAT(storms(), IsEmpty());
}

TEST_F(Storm, AShortLoadFromOneAddressIsNone) {
    for (int i = 0; i < 500; ++i) gateway_.come(parse_ip_address("127.0.0.1").value());
    gateway_.seconds(10);
    while (!gateway_.living.empty()) gateway_.end_at(0, CloseReason::peer_closed);
    gateway_.seconds(120);
    EXPECT_THAT(storms(), IsEmpty());
}

TEST_F(Storm, ALoadFromOneAddressWhoseEndsBeginBeforeItsLastStartIsNone) {
    for (int i = 0; i < 300; ++i) {  // each device connects once; up to 100 are there at once
        gateway_.come(parse_ip_address("127.0.0.1").value());
        if (i >= 100) gateway_.end_at(0, CloseReason::peer_closed);
        if (i % 50 == 0) gateway_.second();
    }
    while (!gateway_.living.empty()) gateway_.end_at(0, CloseReason::peer_closed);
    gateway_.seconds(120);
    EXPECT_THAT(storms(), IsEmpty());
}

TEST_F(Storm, OfDevicesBehindOneAddressIsOne) {
    const IpAddress nat = parse_ip_address("192.0.2.9").value();
    for (int i = 0; i < 100; ++i) gateway_.come(nat);
    gateway_.seconds(1'200);
    for (int round = 0; round < 12; ++round) {
        for (int i = 0; i < 100; ++i) gateway_.end_at(0, CloseReason::peer_reset);
        gateway_.second();
        for (int i = 0; i < 100; ++i) gateway_.come(nat);
        gateway_.seconds(3);
    }
    ASSERT_THAT(storms(), SizeIs(1));
    EXPECT_GT(gateway_.active().at(0).count, storms()[0].count) << "its figures go on while it lasts";
}

TEST_F(Storm, ConnectionsThatEndAfterASilenceAreNone) {
    gateway_.come("10.2.0.1", 200);
    gateway_.seconds(1'200);
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 200; ++i) gateway_.end_at(0, CloseReason::peer_reset, milliseconds(0), false, seconds(12));
        gateway_.come("10.2.0.1", 200);
        gateway_.seconds(12);
    }
    EXPECT_THAT(storms(), IsEmpty());
}

TEST_F(Storm, OneClientThatComesBackAllTheTimeIsNone) {
    for (int i = 0; i < 240; ++i) {
        gateway_.come(parse_ip_address("192.0.2.9").value());
        gateway_.second();
        gateway_.end_at(0, CloseReason::tls_failed);
    }
    EXPECT_THAT(storms(), IsEmpty());
}

TEST_F(Storm, TakeoversAreOne) {
    gateway_.come("10.2.0.1", 200);
    gateway_.seconds(1'200);
    for (int round = 0; round < 12; ++round) {  // each device connects again before its connection has ended
        gateway_.come("10.2.0.1", 200);
        for (int i = 0; i < 200; ++i) gateway_.end_at(0, CloseReason::superseded);
        gateway_.seconds(5);
    }
    ASSERT_THAT(storms(), SizeIs(1));
    const Alarm storm = storms()[0];
    EXPECT_THAT(storm.summary, HasSubstr("of a population of 200, 100 % superseded, most of them from 10.2.0.0/24"));
    EXPECT_EQ(storm.reasons.front(), (ReasonShare{CloseReason::superseded, storm.count}));
    EXPECT_THAT(storm.cause, HasSubstr("while their connection still exists"));
    ASSERT_NE(storm.peers, nullptr);
    EXPECT_TRUE(storm.interval);
    EXPECT_THAT(*storm.peers, SizeIs(storm.count)) << "its members are the returns";
    gateway_.seconds(300);
    EXPECT_THAT(gateway_.active(), IsEmpty());
}

TEST_F(Storm, OneTakeoverOfEachIsNone) {
    gateway_.come("10.2.0.1", 200);
    gateway_.seconds(1'200);
    gateway_.come("10.2.0.1", 200);
    for (int i = 0; i < 200; ++i) gateway_.end_at(0, CloseReason::superseded);
    gateway_.seconds(120);
    EXPECT_THAT(storms(), IsEmpty());
}

CloseRecord connection(const char* peer, int opened_s, int ended_s, CloseReason reason = CloseReason::peer_closed) {
    return {parse_ip_address(peer).value(), CloseLog::Time(seconds(ended_s)), CloseLog::Time(seconds(opened_s)), reason,
            0};
}

TEST(ReturnsAmong, MatchesEachEndWithOneReturnFromItsAddress) {
    const auto found = [](std::vector<CloseRecord> closes) {
        const Returns returns = returns_among(std::move(closes), CloseLog::Time(seconds(0)), seconds(60));
        return std::pair(returns.closes.size(), returns.peers);
    };
    EXPECT_EQ(found({}), std::pair(0UL, 0UL));
    EXPECT_EQ(found({connection("10.0.0.1", 0, 5)}), std::pair(0UL, 0UL));
    EXPECT_EQ(found({connection("10.0.0.1", 0, 5), connection("10.0.0.2", 6, 9)}), std::pair(0UL, 0UL));
    EXPECT_EQ(found({connection("10.0.0.1", 0, 5), connection("10.0.0.1", 6, 9)}), std::pair(1UL, 1UL));
    EXPECT_EQ(found({connection("10.0.0.1", 0, 5), connection("10.0.0.1", 6, 9), connection("10.0.0.1", 6, 9)}),
              std::pair(1UL, 1UL))
        << "one end, one return";
    EXPECT_EQ(found({connection("10.0.0.1", 0, 5), connection("10.0.0.1", 6, 99)}), std::pair(0UL, 0UL))
        << "long-lived";
    EXPECT_EQ(found({connection("10.0.0.1", -9, -5), connection("10.0.0.1", -4, -1), connection("10.0.0.1", 0, 3)}),
              std::pair(1UL, 1UL))
        << "one ended in time";
    EXPECT_EQ(found({connection("10.0.0.1", 0, 5, CloseReason::superseded)}), std::pair(1UL, 1UL));
}

}  // namespace
}  // namespace holdfast
