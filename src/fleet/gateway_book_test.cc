#include "fleet/gateway_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

class GatewayBookTest : public testing::Test {
protected:
    static GatewayRecord beat(const std::string& name, SteadyTime at, std::uint32_t run = 1) {
        const auto wall = WallTime(std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()));
        return {.name = name, .run = run, .since = WallTime(1ms), .at = wall};
    }
    /// Advances the time. The named gateways beat every two seconds, and book_ judges every 100 ms.
    void pass(std::chrono::milliseconds time, const std::vector<std::string>& beating) {
        for (const SteadyTime end = now_ + time; now_ < end; now_ += 100ms) {
            if (now_.time_since_epoch() % beat_interval == 0ms) {
                for (const std::string& name : beating) book_.heard(beat(name, now_), now_);
            }
            const auto judgement = book_.classify(now_);
            for (const std::string& name : judgement.lost) lost_.emplace_back(name, now_.time_since_epoch());
            for (const std::string& name : judgement.take_over) taken_.emplace_back(name, now_.time_since_epoch());
        }
    }

    GatewayBook book_{"b", 1, 10s};
    SteadyTime now_{100s};
    std::vector<std::pair<std::string, std::chrono::nanoseconds>> lost_;
    std::vector<std::pair<std::string, std::chrono::nanoseconds>> taken_;
};

TEST_F(GatewayBookTest, SilenceIsShownThenLost) {
    pass(10s, {"a", "b", "c"});
    EXPECT_THAT(lost_, IsEmpty());
    pass(5s, {"b", "c"});  // the last beat of a: at 108 s
    EXPECT_EQ(book_.state_of("a", now_), GatewayState::silent);
    EXPECT_EQ(book_.state_of("c", now_), GatewayState::online);
    EXPECT_EQ(book_.state_of("b", now_), GatewayState::online);
    pass(10s, {"b", "c"});
    EXPECT_EQ(book_.state_of("a", now_), GatewayState::lost);
    EXPECT_THAT(lost_, ElementsAre(std::pair<std::string, std::chrono::nanoseconds>("a", 118s)));
    EXPECT_EQ(taken_, lost_);  // a lost gateway no longer precedes it
    pass(4s, {"a", "b", "c"});
    EXPECT_EQ(book_.state_of("a", now_), GatewayState::online);
    EXPECT_EQ(lost_.size(), 1U);
}

TEST_F(GatewayBookTest, SurvivorsActOneAfterAnother) {
    pass(10s, {"a", "b", "c"});
    pass(20s, {"a", "b"});
    EXPECT_THAT(lost_, ElementsAre(std::pair<std::string, std::chrono::nanoseconds>("c", 118s)));
    EXPECT_THAT(taken_, ElementsAre(std::pair<std::string, std::chrono::nanoseconds>("c", 120s)));
}

/// While NATS is away or this process is stopped, no beats arrive, and no gateway counts as lost.
TEST_F(GatewayBookTest, WithoutAnyBeatNoGatewayIsLost) {
    pass(10s, {"a", "b"});
    pass(60s, {});
    EXPECT_THAT(lost_, IsEmpty());
    EXPECT_FALSE(book_.hears(now_));
    pass(8s, {"b"});
    EXPECT_THAT(lost_, IsEmpty());
    pass(4s, {"b"});
    EXPECT_EQ(lost_.size(), 1U);
}

TEST_F(GatewayBookTest, RepeatedOldBeatsChangeNothing) {
    pass(10s, {"a", "b"});
    const GatewayRecord last = book_.find("a")->record;
    pass(6s, {"b"});
    book_.heard(last, now_);
    pass(6s, {"b"});
    EXPECT_EQ(lost_.size(), 1U);
}

TEST_F(GatewayBookTest, AGatewayWithoutABeatIsLostInTime) {
    pass(2s, {"b"});
    book_.mentioned("ghost", now_);
    pass(9s, {"b"});
    EXPECT_THAT(lost_, IsEmpty());
    pass(3s, {"b"});
    EXPECT_EQ(lost_.size(), 1U);
}

TEST_F(GatewayBookTest, AnOrderlyStopIsNoLoss) {
    pass(4s, {"a", "b"});
    GatewayRecord last = beat("a", now_);
    last.stopped = true;
    book_.heard(last, now_);
    pass(20s, {"b"});
    EXPECT_THAT(lost_, IsEmpty());
    EXPECT_EQ(taken_.size(), 1U);  // it may have left devices
    EXPECT_EQ(book_.state_of("a", now_), GatewayState::stopped);
    EXPECT_THAT(book_.long_gone(now_), ElementsAre("a"));
}

TEST_F(GatewayBookTest, BeatsOfAnotherRunWithItsNameAreNotItsOwn) {
    book_.heard(beat("b", now_, 7), now_);
    EXPECT_FALSE(book_.hears(now_));
    pass(4s, {"b"});
    EXPECT_TRUE(book_.hears(now_));
}

}  // namespace
}  // namespace holdfast
