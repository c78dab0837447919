#include "alarm/losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::SizeIs;

constexpr CloseClasses everything{true, true, true};

CloseRecord ended(milliseconds at, milliseconds opened) {
    return {{}, CloseLog::Time(at), CloseLog::Time(opened), CloseReason::peer_reset, 0};
}

TEST(ClosesTogether, ExcludesOrdinaryEnds) {
    std::vector<CloseRecord> closes;
    const auto die = [&closes](int ms, CloseReason reason) {
        closes.push_back({{}, CloseLog::Time(milliseconds(ms)), CloseLog::Time(-std::chrono::hours(1)), reason, 0});
    };
    for (int i = 0; i < 60; ++i) die(1'000 * i, CloseReason::keepalive_expired);
    for (int i = 0; i < 400; ++i) die(30'000 + 10 * i, CloseReason::keepalive_expired);
    for (int i = 0; i < 300; ++i) die(100 * i, CloseReason::peer_closed);
    const auto found = closes_together(closes, {true, true, false}, 1);
    EXPECT_GE(found.size(), 400U);
    EXPECT_LE(found.size(), 406U);
    EXPECT_GE(found.front().at, CloseLog::Time(seconds(30)));
    EXPECT_LE(found.back().at, CloseLog::Time(seconds(35)));
    EXPECT_TRUE(closes_together({}, {true, true, true}, 1).empty());
    EXPECT_TRUE(closes_together(closes, {false, true, false}, 1).empty());
}

TEST(ClosesTogether, CountsNoConnectionThatCameAfterTheFirstEnd) {
    std::vector<CloseRecord> closes;
    for (int i = 0; i < 100; ++i) closes.push_back(ended(seconds(i / 10), seconds(-60)));
    for (int i = 0; i < 500; ++i) closes.push_back(ended(seconds(i / 50), seconds(i / 60 + 1)));
    EXPECT_THAT(closes_together(closes, everything, 0), SizeIs(100));
}

TEST(ClosesTogether, ASlowLossIsOneSpanHoweverLong) {
    for (const int step_s : {1, 2, 10, 60}) {
        std::vector<CloseRecord> closes;
        for (int i = 0; i < 340; ++i) closes.push_back(ended(seconds(i * step_s), seconds(-60)));
        EXPECT_THAT(closes_together(closes, everything, 0), SizeIs(340)) << step_s;
    }
}

TEST(Losses, AreADropIfHalfOfThemAreMissing) {
    Losses losses{.count = 100, .before = 1'000, .now = 900};
    EXPECT_EQ(losses.missing(), 100U);
    EXPECT_TRUE(losses.are_a_drop(100));
    EXPECT_FALSE(losses.are_a_drop(101));
    losses.now = 950;
    EXPECT_TRUE(losses.are_a_drop(50));
    losses.now = 951;
    EXPECT_FALSE(losses.are_a_drop(0));
    losses.now = 1'200;
    EXPECT_EQ(losses.missing(), 0U);
    EXPECT_FALSE(losses.are_a_drop(0));
}

}  // namespace
}  // namespace holdfast
