#include "fleet/twin_watch.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using Part = TwinWatch::Part;

class TwinWatchTest : public testing::Test {
protected:
    static GatewayRecord gateway(const std::string& name, std::uint32_t run, const std::string& spool,
                                 const std::string& place, std::chrono::milliseconds since) {
        return {.name = name, .run = run, .since = WallTime(since), .spool = spool, .place = place};
    }
    /// Advances the time; the gateways in `living` beat every two seconds.
    void pass(std::chrono::milliseconds time, std::initializer_list<GatewayRecord> living) {
        for (auto left = time; left > 0ms; left -= 500ms) {
            now_ += 500ms;
            if (now_.time_since_epoch() % 2s != 0s) continue;
            for (GatewayRecord beat : living) tell(beat);
        }
    }
    void tell(GatewayRecord beat) {
        beat.at = WallTime(std::chrono::floor<std::chrono::milliseconds>(now_.time_since_epoch()));
        watch_.heard(beat, now_);
    }
    /// Delivers the stored beats and then complete(), as this gateway's bucket does.
    void bind(std::initializer_list<GatewayRecord> stored) {
        watch_.begin(now_);
        for (const GatewayRecord& beat : stored) tell(beat);
        watch_.complete();
    }

    SteadyTime now_{std::chrono::hours(1)};
    const GatewayRecord self_ = gateway("east", 10, "spool", "here", 100s);
    TwinWatch watch_{self_, 10s};
};

TEST_F(TwinWatchTest, ALoneGatewayTakesPartAtOnce) {
    EXPECT_EQ(watch_.part(now_), Part::waits) << "nobody knows yet who is there";
    bind({gateway("west", 11, "other", "there", 50s)});
    EXPECT_EQ(watch_.part(now_), Part::takes);
    EXPECT_EQ(watch_.twin(now_), "");
}

TEST_F(TwinWatchTest, AFormerRunAtTheSamePlaceHasEnded) {
    bind({gateway("east", 9, "spool", "here", 50s)});
    EXPECT_EQ(watch_.part(now_), Part::takes);
}

TEST_F(TwinWatchTest, AFormerRunElsewhereHasEndedOnceItIsSilent) {
    bind({gateway("east", 9, "spool", "before the reboot", 50s)});
    EXPECT_EQ(watch_.part(now_), Part::waits);
    pass(6s, {});
    EXPECT_EQ(watch_.part(now_), Part::takes);
    GatewayRecord stopped = gateway("east", 9, "spool", "elsewhere", 50s);
    stopped.stopped = true;
    TwinWatch another(self_, 10s);
    another.begin(now_);
    another.heard(stopped, now_);
    another.complete();
    EXPECT_EQ(another.part(now_), Part::takes) << "it said so itself";
}

TEST_F(TwinWatchTest, ATwinOfNameOrSpoolIsRefusedAndTakesPartWhenTheOtherHasGone) {
    for (const GatewayRecord& other : {gateway("east", 9, "another", "there", 50s),
                                       gateway("clone", 9, "spool", "there", 50s), gateway("east", 9, "", "", 50s)}) {
        TwinWatch fresh(self_, 10s);
        fresh.begin(now_);
        GatewayRecord beat = other;
        for (int second = 0; second < 20; second += 2) {
            now_ += 2s;
            beat.at = WallTime(std::chrono::seconds(second));
            fresh.heard(beat, now_);
            if (second == 0) fresh.complete();
            EXPECT_EQ(fresh.part(now_), second == 0 ? Part::waits : Part::refused) << other.name << other.spool;
        }
        EXPECT_NE(fresh.twin(now_).find("gateway \"" + other.name + "\" (run 00000009)"), std::string::npos);
        now_ += 9s;
        EXPECT_EQ(fresh.part(now_), Part::refused);
        now_ += 2s;
        EXPECT_EQ(fresh.part(now_), Part::takes);
        EXPECT_EQ(fresh.twin(now_), "");
    }
}

TEST_F(TwinWatchTest, AnEstablishedGatewayStaysWhenATwinArrives) {
    bind({});
    ASSERT_EQ(watch_.part(now_), Part::takes);
    pass(10s, {self_});
    const GatewayRecord older = gateway("east", 9, "spool", "there", 1s);
    pass(20s, {self_, older});
    EXPECT_EQ(watch_.part(now_), Part::takes);
    EXPECT_NE(watch_.twin(now_).find("came later and is ignored"), std::string::npos);
}

TEST_F(TwinWatchTest, OfTwoThatBeginTogetherTheEarlierStays) {
    for (const std::chrono::seconds since : {50s, 150s}) {
        TwinWatch fresh(self_, 10s);
        fresh.begin(now_);
        fresh.complete();
        ASSERT_EQ(fresh.part(now_), Part::takes);
        GatewayRecord own = self_;
        GatewayRecord other = gateway("east", 11, "spool", "there", since);
        for (int second = 0; second < 8; second += 2) {
            now_ += 2s;
            own.at = other.at = WallTime(std::chrono::seconds(second));
            fresh.heard(own, now_);
            fresh.heard(other, now_);
        }
        EXPECT_EQ(fresh.part(now_), since == 50s ? Part::refused : Part::takes);
    }
}

TEST_F(TwinWatchTest, AnAbsentGatewayLosesItsPlaceToATwin) {
    bind({});
    ASSERT_EQ(watch_.part(now_), Part::takes);
    pass(10s, {self_});
    pass(30s, {});  // stopped
    const GatewayRecord successor = gateway("east", 11, "copy", "there", 130s);
    pass(6s, {self_, successor});
    EXPECT_EQ(watch_.part(now_), Part::refused);
}

TEST_F(TwinWatchTest, AfterAnOutageOfNatsTheTwinProvesAgainThatItLives) {
    const GatewayRecord other = gateway("east", 9, "spool", "there", 50s);
    bind({other});
    pass(4s, {other});
    ASSERT_EQ(watch_.part(now_), Part::refused);
    now_ += 60s;
    bind({});  // the bucket delivers its latest beat again, which is known
    EXPECT_EQ(watch_.part(now_), Part::waits);
    pass(4s, {other});
    EXPECT_EQ(watch_.part(now_), Part::refused);
}

}  // namespace
}  // namespace holdfast
