#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/alarm_gateway.h"

namespace holdfast {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using namespace std::chrono_literals;

/// Returns the summary of the only active alarm.
std::string only_summary(AlarmGateway& gateway) {
    const std::vector<Alarm> active = gateway.active();
    EXPECT_THAT(active, SizeIs(1));
    if (active.empty()) return "";
    EXPECT_EQ(active[0].kind, AlarmKind::worker_restarted);
    return active[0].summary;
}

TEST(RestartAlarm, ComesOnceForTenMinutes) {
    AlarmGateway gateway;
    gateway.seconds(1);
    EXPECT_THAT(gateway.active(), IsEmpty());
    gateway.status.takeover = Takeover{.processes = 2, .kept = 19'000, .closed = 3, .downtime = 140ms};
    gateway.seconds(1);
    EXPECT_EQ(only_summary(gateway), "worker restarted, 19,000 connections kept, 3 closed, 140ms");
    gateway.seconds(595);
    EXPECT_THAT(gateway.active(), SizeIs(1));
    gateway.seconds(10);
    EXPECT_THAT(gateway.active(), IsEmpty());
    gateway.seconds(3'600);
    EXPECT_THAT(gateway.recent(), SizeIs(1)) << "not raised again";
}

TEST(RestartAlarm, SaysThatTheConnectionsWereGivenUp) {
    AlarmGateway gateway;
    gateway.status.takeover = Takeover{.processes = 3};
    gateway.seconds(1);
    EXPECT_EQ(only_summary(gateway), "worker restarted, all connections given up after too many crashes");
}

}  // namespace
}  // namespace holdfast
