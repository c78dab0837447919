#include "alarm/alarm_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alarm/listener_step.h"
#include "testing/alarm_gateway.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

/// A gateway of 1,000 connections, an hour old.
class Alarms : public testing::Test {
protected:
    Alarms() {
        gateway_.come("10.1.0.1", 1'000);
        gateway_.seconds(3'600);
        EXPECT_THAT(gateway_.told, IsEmpty());
    }
    Alarm only() {
        const std::vector<Alarm> active = gateway_.active();
        EXPECT_THAT(active, SizeIs(1));
        return active.empty() ? Alarm{} : active[0];
    }
    void expect_cleared_once() {
        EXPECT_THAT(gateway_.active(), IsEmpty());
        ASSERT_THAT(gateway_.recent(), SizeIs(1));
        gateway_.seconds(1'200);
        EXPECT_THAT(gateway_.recent(), SizeIs(1));
        EXPECT_EQ(gateway_.told.back().cleared_at, gateway_.recent()[0].cleared_at);
    }

    AlarmGateway gateway_;
};

TEST_F(Alarms, AReconnectStorm) {
    for (int second = 0; second < 60; ++second) {  // a third of the fleet connects and gives up, again and again
        gateway_.come("10.2.0.1", 50);
        gateway_.seconds(1);
        gateway_.end("10.2.0.1", 50, CloseReason::peer_closed);
    }
    gateway_.seconds(1);
    std::vector<Alarm> storms;
    for (const Alarm& alarm : gateway_.active()) {
        if (alarm.kind == AlarmKind::reconnect_storm) storms.push_back(alarm);
    }
    ASSERT_THAT(storms, SizeIs(1));
    EXPECT_EQ(storms[0].listener, "devices");
    EXPECT_THAT(storms[0].summary, HasSubstr(" disconnected in "));
    EXPECT_THAT(storms[0].summary, HasSubstr("100 % peer_closed, most of them from 10.2.0.0/24"));
    EXPECT_THAT(storms[0].cause, HasSubstr("disconnect at once"));
    gateway_.seconds(300);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    EXPECT_THAT(gateway_.recent(), SizeIs(1));
}

TEST_F(Alarms, AFleetThatArrivesIsNoStorm) {
    for (int i = 0; i < 10; ++i) {
        gateway_.come("10.3." + std::to_string(i) + ".1", 200);
        gateway_.seconds(1);
    }
    gateway_.seconds(120);
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(Alarms, BadItemsOfAYoungGatewayNameTheTimeSinceTheFirst) {
    for (int i = 0; i < 5; ++i) {
        gateway_.listener().bad_items[static_cast<std::size_t>(BadItem::no_key)] += 40;
        gateway_.second();
    }
    EXPECT_THAT(only().summary, StartsWith("200 bad items in 5 s, 100 % of all"));
}

TEST_F(Alarms, BadItems) {
    for (int i = 0; i < 600; ++i) {  // a little is usual
        gateway_.listener().items += 500;
        gateway_.listener().bad_items[0] += 1;
        gateway_.second();
    }
    EXPECT_THAT(gateway_.told, IsEmpty());
    for (int i = 0; i < 120; ++i) {
        gateway_.listener().items += 400;
        gateway_.listener().bad_items[static_cast<std::size_t>(BadItem::no_key)] += 100;
        gateway_.second();
    }
    EXPECT_EQ(only().kind, AlarmKind::bad_items);
    EXPECT_GE(only().count, 5'900U);
    EXPECT_EQ(only().summary, "6,000 bad items in 60 s, 20 % of all, 100 % of them no_key");
    EXPECT_THAT(only().cause, HasSubstr("without the key field"));
    gateway_.listener().items += 100'000;
    gateway_.seconds(90);
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.seconds(60);
    expect_cleared_once();
}

TEST_F(Alarms, FewBadItemsAmongManyAreUsual) {
    for (int i = 0; i < 600; ++i) {
        gateway_.listener().items += 5'000;
        gateway_.listener().bad_items[0] += 50;
        gateway_.second();
    }
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(Alarms, AcceptPausedAtOnceAndClearedAfterTenSeconds) {
    gateway_.listener().accept_paused = true;
    gateway_.listener().refused_descriptors = 1;
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::accept_paused);
    EXPECT_THAT(only().summary, HasSubstr("at 1,000 connections"));
    for (int i = 0; i < 20; ++i) {  // begins and ends repeatedly
        gateway_.listener().accept_paused = i % 4 == 0;
        gateway_.listener().refused_descriptors += i % 4 == 0 ? 1 : 0;
        gateway_.seconds(2);
    }
    EXPECT_EQ(only().count, 6U);
    gateway_.seconds(12);
    expect_cleared_once();
}

TEST_F(Alarms, APauseBetweenTwoLooksCounts) {
    gateway_.listener().refused_descriptors = 1;
    EXPECT_THAT(gateway_.second(), SizeIs(1));
}

TEST_F(Alarms, MemoryPressureIsReported) {
    gateway_.status.buffer_budget = 1'000;
    gateway_.status.buffer_bytes = 850;
    gateway_.status.buffer_stage = 2;
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::buffer_pressure);
    EXPECT_EQ(only().summary,
              "850 of 1,000 bytes for buffers are in use: memory runs short, and connections will be shed");
    gateway_.status.buffer_stage = 0;
    gateway_.seconds(9);
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.seconds(3);
    expect_cleared_once();
}

TEST_F(Alarms, SessionsRemovedForOthersAreReported) {
    gateway_.sink.spool.emplace().sessions.max = 1'000;
    EXPECT_THAT(gateway_.second(), SizeIs(0));
    gateway_.sink.spool->sessions.evicted_unauthenticated = 15;
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::session_budget);
    EXPECT_EQ(only().summary,
              "more than 1,000 sessions of devices: 15 unauthenticated and 0 authenticated ones were evicted");
    gateway_.seconds(50);
    gateway_.sink.spool->sessions.evicted_authenticated = 2;
    gateway_.seconds(50);
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.seconds(20);
    expect_cleared_once();
}

TEST_F(Alarms, FaultsAfterTheSpoolHaveTheirOwnKinds) {
    gateway_.sink.nats.emplace().loss = "the stream was purged";
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::stream_loss);
    EXPECT_EQ(only().summary, "the stream was purged");
    EXPECT_THAT(only().cause, HasSubstr("NATS has lost events"));
    gateway_.sink.nats = ForwarderStatus();
    gateway_.seconds(12);
    expect_cleared_once();
    gateway_.sink.nats->rival = "east-2 has the same spool";
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::twin_gateway);
    gateway_.sink.nats->rival.clear();
    gateway_.sink.nats->dead_letter = "event 7 cannot be published to NATS as it is";
    gateway_.seconds(12);
    EXPECT_EQ(only().kind, AlarmKind::dead_letter);
}

TEST_F(Alarms, FaultsOfTheFleetAreReportedWhileTheyLast) {
    gateway_.fleet.cut_off = "NATS has returned no beat of this gateway for 7 s";
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::fleet_cut_off);
    EXPECT_EQ(only().summary, "NATS has returned no beat of this gateway for 7 s");
    gateway_.fleet.cut_off.clear();
    gateway_.fleet.lost = "east-1 with 1234 devices at 2026-11-22T08:00:00.123Z";
    gateway_.seconds(12);
    EXPECT_EQ(only().kind, AlarmKind::fleet_gateway_lost);
    EXPECT_EQ(only().summary, gateway_.fleet.lost);
    gateway_.fleet.lost.clear();
    gateway_.fleet.budget = "90 records of closed devices were removed early";
    gateway_.seconds(12);
    EXPECT_EQ(only().kind, AlarmKind::presence_budget);
    gateway_.fleet.budget.clear();
    gateway_.fleet.twin = "another gateway is named east";
    gateway_.seconds(12);
    EXPECT_EQ(only().kind, AlarmKind::twin_gateway);
    EXPECT_EQ(only().summary, "another gateway is named east");
    gateway_.fleet.twin.clear();
    gateway_.seconds(12);
    EXPECT_THAT(gateway_.active(), SizeIs(0));
}

TEST_F(Alarms, AnUnreadableSpoolIsReportedAtOnce) {
    gateway_.sink.spool.emplace().read_error = "events behind position 41 cannot be read: Input/output error";
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::spool_unreadable);
    EXPECT_EQ(only().summary, gateway_.sink.spool->read_error);
    gateway_.sink.spool->read_error.clear();
    gateway_.seconds(5);
    expect_cleared_once();
}

TEST_F(Alarms, DamageInTheSpoolIsReportedUntilThereIsNone) {
    gateway_.sink.spool.emplace().quarantined_events = 1'301;
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::spool_damaged);
    EXPECT_EQ(only().count, 1'301U);
    EXPECT_EQ(only().summary, "1,301 events in the spool are damaged");
    gateway_.sink.spool->quarantined_events = 1;
    gateway_.seconds(600);
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.sink.spool->quarantined_events = 0;
    gateway_.seconds(5);
    expect_cleared_once();
}

TEST_F(Alarms, AFailingSinkIsReportedAtOnce) {
    gateway_.sink = {.events = 100, .lag_events = 7, .full = false, .error = "No space left\non device"};
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    EXPECT_EQ(only().kind, AlarmKind::sink_lag);
    EXPECT_EQ(only().listener, "");
    EXPECT_EQ(only().count, 7U);
    EXPECT_EQ(only().cause, "The sink cannot write: No space left\\non device.");
    EXPECT_EQ(only().summary, "7 events wait for the sink: No space left\\non device");
    gateway_.sink = {.events = 100, .lag_events = 0, .full = false, .error = ""};
    gateway_.seconds(9);
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    gateway_.seconds(3);
    expect_cleared_once();
}

TEST_F(Alarms, AStalledSinkIsReportedAfterSeconds) {
    gateway_.sink = {.events = 100, .lag_events = 7, .full = false, .error = ""};
    gateway_.seconds(5);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    gateway_.seconds(3);
    EXPECT_THAT(only().summary, HasSubstr("7 events wait for the sink: the sink writes none"));
    gateway_.sink.full = true;
    gateway_.second();
    EXPECT_THAT(only().summary, HasSubstr("the sink is full, and devices wait"));
    for (int i = 0; i < 30; ++i) {  // the sink continues, and is full now and then
        gateway_.sink.events += 10;
        gateway_.sink.full = i % 3 == 0;
        gateway_.second();
    }
    EXPECT_THAT(gateway_.active(), SizeIs(1));
    for (int i = 0; i < 12; ++i) {
        gateway_.sink.events += 10;
        gateway_.sink.full = false;
        gateway_.second();
    }
    gateway_.sink.lag_events = 0;
    expect_cleared_once();
}

TEST_F(Alarms, AbsentNatsIsReportedAfterSeconds) {
    gateway_.sink = {.events = 100, .lag_events = 1'234, .full = false, .error = ""};  // of NATS only
    ForwarderStatus& nats = gateway_.sink.nats.emplace();
    nats.lag_events = 1'234;
    nats.lag = seconds(3);
    nats.error = "no connection to NATS";
    gateway_.seconds(5);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    nats.lag = seconds(6);
    gateway_.seconds(3);
    EXPECT_THAT(only().summary,
                HasSubstr("1,234 events wait in the spool for NATS, the oldest for 6s: no connection to NATS"));
    EXPECT_THAT(only().advice, HasSubstr("no event is lost"));
    gateway_.sink.lag_events = 0;
    nats = ForwarderStatus();
    gateway_.seconds(12);
    expect_cleared_once();
}

TEST_F(Alarms, NatsThatIsAMinuteBehindIsReported) {
    gateway_.sink.lag_events = 50;
    gateway_.sink.nats.emplace().lag_events = 50;
    gateway_.sink.nats->lag = seconds(59);
    gateway_.seconds(60);
    EXPECT_THAT(gateway_.told, IsEmpty());
    gateway_.sink.nats->lag = seconds(60);
    gateway_.second();
    EXPECT_THAT(only().cause, HasSubstr("more slowly than they arrive"));
    gateway_.sink.error = "disk full";  // which is worse
    gateway_.second();
    EXPECT_THAT(only().summary, HasSubstr("wait for the sink: disk full"));
}

TEST_F(Alarms, ASinkThatIsBehindButWritesIsNone) {
    for (int i = 0; i < 300; ++i) {
        gateway_.sink = {
            .events = 1'000U * static_cast<unsigned>(i + 1), .lag_events = 500, .full = i % 4 == 0, .error = ""};
        gateway_.second();
    }
    EXPECT_THAT(gateway_.told, IsEmpty());
}

TEST_F(Alarms, RegistryDrift) {
    Reconciliation found;
    found.at = EventTime(seconds(1));
    found.registry = 1'000;
    found.kernel = 1'002;
    gateway_.reconciled = found;
    gateway_.seconds(5);
    EXPECT_THAT(gateway_.told, IsEmpty());
    found.at = EventTime(seconds(61));
    found.orphans = 2;
    gateway_.reconciled = found;
    EXPECT_THAT(gateway_.second(), SizeIs(1));
    gateway_.seconds(100);
    EXPECT_EQ(only().kind, AlarmKind::registry_drift);
    EXPECT_EQ(only().count, 2U);
    EXPECT_EQ(
        only().summary,
        "1,000 connections in the registry, 1,002 sockets in the kernel: 0 ghosts, 2 orphans, 0 stuck in CLOSE_WAIT");
    found.at = EventTime(seconds(121));
    found.error = "sock_diag: Operation not permitted";
    found.orphans = 0;
    gateway_.reconciled = found;
    gateway_.second();
    EXPECT_THAT(gateway_.active(), SizeIs(1)) << "one that failed proves nothing";
    found.at = EventTime(seconds(181));
    found.error.clear();
    gateway_.reconciled = found;
    gateway_.second();
    expect_cleared_once();
}

TEST_F(Alarms, AReconciliationThatKeepsFailingIsDriftUnseen) {
    Reconciliation failed;
    failed.error = "sock_diag: Operation not permitted";
    for (int i = 1; i <= 2; ++i) {
        failed.at = EventTime(seconds(60 * i));
        gateway_.reconciled = failed;
        EXPECT_THAT(gateway_.active(), IsEmpty());
        gateway_.second();
    }
    EXPECT_EQ(only().summary, "registry and kernel could not be compared: sock_diag: Operation not permitted");
}

TEST_F(Alarms, DevicesThatShareAnIdAreNamedWithTheirAddresses) {
    const DuplicateDevice pair{.id = "van/17",
                               .holder = parse_endpoint("10.0.0.1:4000").value(),
                               .claimant = parse_endpoint("10.0.0.2:5000").value(),
                               .takeovers = 12};
    gateway_.status.duplicates = {pair};
    gateway_.second();
    EXPECT_EQ(only().kind, AlarmKind::duplicate_device);
    EXPECT_EQ(only().count, 1U);
    EXPECT_EQ(only().summary,
              "1 id is used by several devices: \"van/17\" at 10.0.0.1:4000 and 10.0.0.2:5000, 12 takeovers");
    gateway_.status.duplicates = std::vector<DuplicateDevice>(20, pair);
    gateway_.second();
    EXPECT_THAT(only().summary, HasSubstr("20 ids are used"));
    EXPECT_LT(only().summary.size(), 600U);
    gateway_.status.duplicates.clear();
    gateway_.second();
    expect_cleared_once();
}

TEST_F(Alarms, NewSettingsCountAtOnce) {
    AlarmConfig settings;
    settings.drop_percent = 50;
    gateway_.engine.change(settings);
    gateway_.end("10.1.0.1", 99, CloseReason::too_many_bad_items);
    gateway_.seconds(5);
    EXPECT_THAT(gateway_.active(), IsEmpty());
    settings.drop_percent = 5;
    gateway_.engine.change(settings);
    gateway_.second();
    EXPECT_THAT(only().summary, HasSubstr("99 in under 1 s, all too_many_bad_items"));
    EXPECT_THAT(only().cause, HasSubstr("new firmware"));
}

TEST_F(Alarms, TheBoardKeepsAHundredOfThePast) {
    for (unsigned i = 0; i < 120; ++i) {
        gateway_.sink.error = "broken pipe";
        gateway_.second();
        gateway_.sink.error.clear();
        gateway_.seconds(11);
    }
    EXPECT_THAT(gateway_.recent(), SizeIs(100));
    EXPECT_EQ(gateway_.recent()[0].id, 120U);
    EXPECT_GT(gateway_.recent()[0].raised_at, gateway_.recent()[1].raised_at);
}

TEST(CloseLog, KeepsTheLatest) {
    CloseLog log;
    Observation seen;
    seen.kind = Observation::Kind::closed;
    seen.reason = CloseReason::peer_reset;
    for (std::size_t i = 0; i < CloseLog::max + 10; ++i) {
        seen.at += milliseconds(1);
        log.note(seen);
    }
    EXPECT_EQ(log.size(), CloseLog::max);
    EXPECT_EQ(log.of(0, {}).front().at - CloseLog::Time{}, milliseconds(11));
    EXPECT_THAT(log.of(1, {}), IsEmpty());
    log.forget_before(seen.at);
    EXPECT_EQ(log.size(), 1U);
}

}  // namespace
}  // namespace holdfast
