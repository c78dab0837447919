#include "alarm/idle_timeout_watch.h"

#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "alarm/alarm_commands.h"
#include "testing/alarm_gateway.h"
#include "testing/seed.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A gateway of 400 connections with a plan, whose devices return after each end.
class IdleTimeout : public testing::Test {
protected:
    IdleTimeout() : random_(test_seed()) { gateway_.come("10.1.0.1", 400); }

    void use(milliseconds detect_within) {
        gateway_.listener().plan = plan_liveness(detect_within).value();
        gateway_.seconds(1);  // the engine has the listener
    }
    /// Ends a connection every two seconds after a silence of `from` to `from` + `spread`.
    void end_some(int count, milliseconds from, milliseconds spread, CloseReason reason = CloseReason::peer_closed) {
        for (int i = 0; i < count; ++i) {
            const std::size_t index = random_() % gateway_.living.size();
            const IpAddress peer = gateway_.living[index].peer;
            ended_ = {peer, gateway_.living[index].port};
            const milliseconds more(random_() % static_cast<std::uint64_t>(spread.count() + 1));
            gateway_.end_at(index, reason, milliseconds(0), false, from + more);
            gateway_.come(peer);
            gateway_.seconds(2);
        }
    }
    std::vector<Alarm> active() const {
        std::vector<Alarm> found = gateway_.active();
        std::erase_if(found, [](const Alarm& alarm) { return alarm.kind != AlarmKind::idle_timeout; });
        return found;
    }

    AlarmGateway gateway_;
    Endpoint ended_;  // the latest
    std::mt19937_64 random_;
};

TEST_F(IdleTimeout, IsToldWithItsSecondsAndTheRightBound) {
    use(std::chrono::minutes(30));  // the first probe leaves after 10 min
    end_some(28, seconds(1), seconds(200));
    end_some(312, seconds(240), seconds(4));
    gateway_.seconds(10);
    ASSERT_THAT(active(), SizeIs(1));
    const Alarm alarm = active()[0];
    EXPECT_EQ(alarm.count, 312U);
    EXPECT_EQ(
        alarm.summary,
        "312 of 340 ended after 240 to 244 s of silence: a time-out of 240 s on the path; set detect_within below "
        "10 min or raise it");
    const LivenessPlan advised = plan_liveness(std::chrono::minutes(10)).value();
    EXPECT_LT(advised.idle + advised.idle / 8, seconds(240)) << "the first probe leaves in time";
    std::size_t told = 0;
    for (const Alarm& each : gateway_.told) told += each.kind == AlarmKind::idle_timeout ? 1 : 0;
    EXPECT_LE(told, 5U);
    gateway_.seconds(600);
    EXPECT_THAT(active(), IsEmpty());
}

TEST_F(IdleTimeout, ItsMembersAreTheEndsAfterThatSilence) {
    use(std::chrono::minutes(30));
    end_some(20, seconds(1), seconds(200));
    std::set<Endpoint> silent;
    for (int i = 0; i < 480; ++i) {
        end_some(1, seconds(240), seconds(4));
        silent.insert(ended_);
        if (i == 380) gateway_.engine.acknowledge(active().at(0).id, Acknowledgement{.at = {}, .note = "the carrier"});
    }
    gateway_.seconds(10);
    ASSERT_THAT(active(), SizeIs(1));
    const Alarm alarm = active()[0];
    ASSERT_TRUE(alarm.interval && alarm.acknowledged) << "a renewed alarm keeps its note";
    ASSERT_EQ(alarm.count, 480U);
    ASSERT_NE(alarm.peers, nullptr);
    EXPECT_EQ(std::set<Endpoint>(alarm.peers->begin(), alarm.peers->end()), silent);
    EXPECT_THAT(commands_of(alarm), Contains("holdfast alarms " + std::to_string(alarm.id) + " --state missing"));
}

TEST_F(IdleTimeout, OfAProxyIsNotChangedByProbes) {
    use(seconds(30));  // probes are answered every 10 s
    end_some(100, seconds(60), milliseconds(500));
    gateway_.seconds(10);
    ASSERT_THAT(active(), SizeIs(1));
    EXPECT_THAT(active()[0].summary, HasSubstr("a time-out of 60 s in a proxy or in the devices"));
    EXPECT_THAT(active()[0].advice, HasSubstr("more often than every 60 s"));
}

TEST_F(IdleTimeout, AResetThatAnswersTheFirstProbeShowsAShorterOne) {
    use(std::chrono::minutes(30));
    end_some(60, seconds(600), seconds(5), CloseReason::peer_reset);
    gateway_.seconds(1'300);
    EXPECT_THAT(active(), IsEmpty()) << "all of them within one period say nothing";
    end_some(700, seconds(600), seconds(5), CloseReason::peer_reset);
    gateway_.seconds(10);
    ASSERT_THAT(active(), SizeIs(1));
    EXPECT_THAT(active()[0].summary, HasSubstr("a time-out below 600 s on the path; lower detect_within"));
}

TEST_F(IdleTimeout, ScatteredSilencesAreNone) {
    use(std::chrono::minutes(30));
    end_some(400, seconds(10), seconds(600));
    EXPECT_THAT(active(), IsEmpty());
    end_some(200, seconds(240), seconds(4));
    EXPECT_THAT(active(), IsEmpty()) << "less than four fifths";
}

TEST_F(IdleTimeout, ShortSilencesAreNone) {
    end_some(200, seconds(5), milliseconds(100));
    EXPECT_THAT(active(), IsEmpty());
}

}  // namespace
}  // namespace holdfast
