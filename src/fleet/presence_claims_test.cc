#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/fake_bucket.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// Two gateways whose clocks differ: "two" is behind "one" by `behind`. Times are seconds of one true clock.
class PresenceClaims : public testing::Test {
protected:
    WallTime by_one(double second) const { return at(static_cast<int>(1'000'000 + 1'000 * second)); }
    WallTime by_two(double second) const { return by_one(second) - behind; }

    void begin_again(std::chrono::milliseconds difference) {
        behind = difference;
        bucket_ = {};
        one_.presence = Presence("one", 1);
        two_.presence = Presence("two", 2);
        one_.watched = two_.watched = 0;
        for (Gateway* gateway : {&one_, &two_}) {
            gateway->presence.begin_snapshot();
            gateway->presence.end_snapshot();
        }
    }
    void set_time(double second) {
        const SteadyTime steady(std::chrono::milliseconds(static_cast<int>(1'000 * second)));
        one_.presence.set_time(steady, by_one(second));
        two_.presence.set_time(steady, by_two(second));
        const auto lives = [this](const std::string&) { return others_live_; };
        one_.presence.step(lives);
        two_.presence.step(lives);
    }
    void receive_beats(double second) {
        for (int i = 0; i < 2; ++i, second += 2) {
            one_.presence.heard_clock("two", 2, by_two(second), by_one(second) + 3ms);
            two_.presence.heard_clock("one", 1, by_one(second), by_two(second) + 3ms);
        }
    }
    HeldDevice of_one(ConnectionId conn, double accepted, double said) const {
        HeldDevice device = held(conn, 0);
        device.since = by_one(said);
        device.accepted = by_one(accepted);
        return device;
    }
    HeldDevice of_two(ConnectionId conn, double accepted, double said) const {
        HeldDevice device = held(conn, 0);
        device.since = by_two(said);
        device.accepted = by_two(accepted);
        return device;
    }
    void settle() {
        for (int round = 0; round < 6; ++round) {
            one_.settle();
            two_.settle();
        }
    }
    std::string where() { return bucket_.find("d")->record.gateway; }

    std::chrono::milliseconds behind{0};
    bool others_live_ = true;
    FakeBucket bucket_;
    Gateway one_{bucket_, "one", 1};
    Gateway two_{bucket_, "two", 2};
};

/// Holds for any difference of the clocks.
TEST_F(PresenceClaims, ALateHelloIsTheSupersededOne) {
    for (const auto difference : {0ms, 90'000ms, -90'000ms}) {
        SCOPED_TRACE(difference.count());
        begin_again(difference);
        receive_beats(1);
        set_time(110);
        two_.presence.here("d", of_two({20, 1}, 110, 110));
        settle();
        set_time(120);
        one_.presence.here("d", of_one({10, 1}, 100, 120));  // established before, but identified now
        settle();
        EXPECT_EQ(where(), "two");
        EXPECT_THAT(one_.presence.take_tasks().superseded, IsEmpty()) << "it may be that the other has just ended";
        for (double second = 121; second < 125; ++second) set_time(second);
        settle();
        EXPECT_THAT(one_.presence.take_tasks().superseded, ElementsAre(ConnectionId{10, 1}));
        EXPECT_TRUE(two_.presence.take_tasks().empty());
        EXPECT_EQ(where(), "two");
    }
}

TEST_F(PresenceClaims, AMovingDeviceIsTakenOverWithAnyClocks) {
    for (const auto difference : {0ms, 90'000ms, -90'000ms}) {
        SCOPED_TRACE(difference.count());
        begin_again(difference);
        if (difference != 0ms) receive_beats(1);
        set_time(100);
        two_.presence.here("d", of_two({20, 1}, 100, 100));
        settle();
        set_time(101.5);
        one_.presence.here("d", of_one({10, 1}, 101.5, 101.5));
        settle();
        EXPECT_EQ(where(), "one");
        EXPECT_THAT(two_.presence.take_tasks().superseded, ElementsAre(ConnectionId{20, 1}));
        set_time(103);
        two_.presence.here("d", of_two({20, 2}, 103, 103));
        settle();
        EXPECT_EQ(where(), "two");
        EXPECT_THAT(one_.presence.take_tasks().superseded, ElementsAre(ConnectionId{10, 1}));
    }
}

/// A clock that steps back makes its earlier timestamps look newer.
TEST_F(PresenceClaims, AStepOfAClockHidesNoMove) {
    receive_beats(1);
    set_time(100);
    two_.presence.here("d", of_two({20, 1}, 100, 100));
    settle();
    behind = 3'600'000ms;
    for (double second = 101; second < 120; second += 4) receive_beats(second);
    set_time(121);
    one_.presence.here("d", of_one({10, 1}, 121, 121));
    settle();
    EXPECT_EQ(where(), "one");
    EXPECT_THAT(one_.presence.take_tasks().superseded, IsEmpty());
}

/// The two claims meet, and the later put is for the earlier connection: the device has moved and closed it.
TEST_F(PresenceClaims, TheLaterOfTwoThatMeetIsKeptAndTakesTheDeviceBack) {
    for (const bool is_closed : {true, false}) {
        begin_again(0ms);
        set_time(100);
        two_.presence.here("d", of_two({20, 1}, 100, 100));
        two_.settle();
        one_.watch_one();
        one_.presence.here("d", of_one({10, 1}, 99.99, 100));
        settle();
        EXPECT_EQ(where(), "one");
        EXPECT_THAT(two_.presence.take_tasks().superseded, IsEmpty()) << "it may be the later one";
        if (is_closed) {
            one_.presence.gone("d", {10, 1}, CloseReason::peer_closed, by_one(100.1));
            settle();
            set_time(100.1);  // immediately
        } else {
            set_time(101.1);
        }
        settle();
        EXPECT_EQ(where(), "two");
        EXPECT_THAT(one_.presence.take_tasks().superseded, IsEmpty()) << "it is kept for a moment too";
        for (double second = 102; second < 106; ++second) set_time(second);
        settle();
        EXPECT_EQ(one_.presence.take_tasks().superseded.size(), is_closed ? 0U : 1U);
        EXPECT_THAT(two_.presence.take_tasks().superseded, IsEmpty());
        EXPECT_EQ(where(), "two");
    }
}

TEST_F(PresenceClaims, AClearlyOlderConnectionGivesWayAtOnce) {
    receive_beats(1);
    set_time(100);
    two_.presence.here("d", of_two({20, 1}, 100, 100));
    settle();
    set_time(100.3);
    one_.presence.here("d", of_one({10, 1}, 100.3, 100.3));
    settle();
    EXPECT_THAT(two_.presence.take_tasks().superseded, ElementsAre(ConnectionId{20, 1}));
}

/// Its end is put if no connection holds the device, and otherwise not.
TEST_F(PresenceClaims, AClaimThatEndsBeforeItIsPutTakesNothing) {
    set_time(100);
    two_.presence.here("d", of_two({20, 1}, 100, 100));
    one_.presence.here("d", of_one({10, 1}, 100.01, 100));
    one_.presence.gone("d", {10, 1}, CloseReason::peer_closed, by_one(100.02));
    two_.put_all();
    settle();
    EXPECT_EQ(where(), "two");
    EXPECT_TRUE(bucket_.find("d")->record.online);
    EXPECT_TRUE(two_.presence.take_tasks().empty());
}

TEST_F(PresenceClaims, ALateHelloTakesAnIdWhoseHolderHasEnded) {
    receive_beats(1);
    set_time(110);
    two_.presence.here("d", of_two({20, 1}, 110, 110));
    settle();
    set_time(120);
    one_.presence.here("d", of_one({10, 1}, 100, 120));
    two_.presence.gone("d", {20, 1}, CloseReason::peer_closed, by_two(120));
    settle();
    set_time(121);
    settle();
    EXPECT_EQ(where(), "one");
    EXPECT_THAT(one_.presence.take_tasks().superseded, IsEmpty());
}

TEST_F(PresenceClaims, ALateHelloIsNotEndedForAGatewayThatIsSilent) {
    receive_beats(1);
    set_time(110);
    two_.presence.here("d", of_two({20, 1}, 110, 110));
    settle();
    others_live_ = false;
    set_time(120);
    one_.presence.here("d", of_one({10, 1}, 100, 120));
    for (double second = 121; second < 140; ++second) set_time(second);
    EXPECT_THAT(one_.presence.take_tasks().superseded, IsEmpty());
    one_.presence.lose("two", by_one(140));
    one_.settle();  // the other connection has ended
    set_time(141);
    one_.settle();
    EXPECT_EQ(where(), "one");
    EXPECT_THAT(one_.presence.take_tasks().superseded, IsEmpty());
}

TEST_F(PresenceClaims, AConnectionThatHasEndedTakesNothing) {
    set_time(100);
    two_.presence.here("d", of_two({20, 1}, 100, 100));
    settle();
    HeldDevice ended = of_one({10, 1}, 110, 110);
    ended.ended = true;
    set_time(110);
    one_.presence.here("d", ended);
    one_.presence.gone("d", {10, 1}, CloseReason::peer_closed, by_one(110));
    settle();
    EXPECT_EQ(where(), "two");
    EXPECT_TRUE(bucket_.find("d")->record.online);
    EXPECT_TRUE(two_.presence.take_tasks().empty());
}

TEST_F(PresenceClaims, TwoDevicesWithOneIdAreDelayedAndReported) {
    receive_beats(1);
    std::size_t duplicates = 0;
    double second = 100;
    std::uint64_t number = 0;
    ConnectionId here{10, ++number};
    ConnectionId there{20, ++number};
    one_.presence.here("d", of_one(here, second, second));
    settle();
    two_.presence.here("d", of_two(there, second, second));
    for (; second < 400; second += 0.05) {
        set_time(second);
        settle();
        auto tasks = one_.presence.take_tasks();
        duplicates += tasks.duplicates.size();
        if (!tasks.superseded.empty()) {
            one_.presence.gone("d", here, CloseReason::superseded, by_one(second));
            one_.presence.here("d", of_one(here = {10, ++number}, second, second));
        }
        tasks = two_.presence.take_tasks();
        duplicates += tasks.duplicates.size();
        if (!tasks.superseded.empty()) {
            two_.presence.gone("d", there, CloseReason::superseded, by_two(second));
            two_.presence.here("d", of_two(there = {20, ++number}, second, second));
        }
    }
    EXPECT_LT(bucket_.log.size(), 85U);
    EXPECT_GT(bucket_.log.size(), 50U);
    EXPECT_GT(duplicates, 10U);
    EXPECT_LE(duplicates, number + 1);
}

TEST(PresenceRecordText, TheTimeOfAcceptIsWrittenWhereItIsKnown) {
    PresenceRecord record = online_record();
    EXPECT_EQ(to_json(record).find("accepted_ms"), std::string::npos);
    record.accepted = at(4);
    EXPECT_EQ(read_presence(to_json(record)), record);
}

}  // namespace
}  // namespace holdfast
