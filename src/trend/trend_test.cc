#include "trend/trend.h"

#include <numeric>
#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr auto closed_of = [](const TrendPoint& point, CloseReason reason) {
    return point.closed[static_cast<std::size_t>(reason)];
};

/// A gateway with counters that the test sets, and a trend of it.
class TrendTest : public testing::Test {
protected:
    TrendTest() { status_.listeners.push_back(listener("devices", 0)); }

    static ListenerStatus listener(std::string name, std::uint8_t number) {
        ListenerStatus status;
        status.name = std::move(name);
        status.number = number;
        return status;
    }

    ListenerStatus& devices() { return status_.listeners.front(); }
    void sample_after(milliseconds time) {
        steady_ += time;
        wall_ += time;
        trend_.sample(steady_, wall_, status_);
    }
    TrendAnswer answer(seconds window, seconds step, std::optional<std::string> name = std::nullopt) {
        return trend_.answer({window, step, std::move(name)});
    }
    static std::uint64_t accepted(const TrendAnswer& answer) {
        return std::accumulate(answer.points.begin(), answer.points.end(), std::uint64_t{0},
                               [](std::uint64_t sum, const TrendPoint& point) { return sum + point.accepted; });
    }

    ServerStatus status_;
    SteadyTime steady_{hours(7)};
    EventTime wall_{hours(24 * 365 * 50)};
    Trend trend_;
};

TEST_F(TrendTest, IsEmptyBeforeTheFirstSample) {
    const TrendAnswer all = answer(hours(1), seconds(0));
    EXPECT_TRUE(all.points.empty());
    EXPECT_EQ(all.step, seconds(6));
    EXPECT_TRUE(answer(hours(1), seconds(0), "devices").points.empty());
}

TEST_F(TrendTest, TurnsCountersIntoWhatHappenedInEachSecond) {
    devices().connections = 7;
    devices().accepted = 9;
    devices().closed[static_cast<std::size_t>(CloseReason::peer_reset)] = 2;
    sample_after(seconds(1));
    devices().connections = 6;
    devices().accepted = 10;
    devices().refused[0] = 3;
    devices().refused_descriptors = 1;
    devices().closed[static_cast<std::size_t>(CloseReason::peer_reset)] = 4;
    devices().items = 50;
    devices().bad_items = {1, 2, 0, 0, 0, 4};
    sample_after(seconds(1));

    const TrendAnswer seen = answer(seconds(60), seconds(1), "devices");
    ASSERT_EQ(seen.points.size(), 2U);
    EXPECT_EQ(seen.step, seconds(1));
    EXPECT_EQ(seen.points[0].accepted, 9U);
    EXPECT_EQ(closed_of(seen.points[0], CloseReason::peer_reset), 2U);
    const TrendPoint& last = seen.points[1];
    EXPECT_EQ(last.at, wall_);
    EXPECT_EQ(last.connections, 6U);
    EXPECT_EQ(last.accepted, 1U);
    EXPECT_EQ(last.refused, 4U);
    EXPECT_EQ(closed_of(last, CloseReason::peer_reset), 2U);
    EXPECT_EQ(closed_of(last, CloseReason::peer_closed), 0U);
    EXPECT_EQ(last.items, 50U);
    EXPECT_EQ(last.bad_items, 7U);
}

TEST_F(TrendTest, StepsAreWholeAndCountBackFromTheLatestSample) {
    for (int second = 1; second <= 25; ++second) {
        devices().connections = static_cast<std::uint64_t>(second % 10);
        devices().accepted += 1;
        sample_after(seconds(1));
    }
    const TrendAnswer seen = answer(seconds(20), seconds(10));
    ASSERT_EQ(seen.points.size(), 2U);
    EXPECT_EQ(seen.points[1].at, wall_);
    EXPECT_EQ(seen.points[0].at, wall_ - seconds(10));
    EXPECT_EQ(seen.points[1].connections, 5U);
    EXPECT_EQ(seen.points[1].fewest, 0U);
    EXPECT_EQ(seen.points[1].max, 9U);
    EXPECT_EQ(seen.points[1].accepted, 10U);

    const TrendAnswer since_start = answer(seconds(600), seconds(10));
    ASSERT_EQ(since_start.points.size(), 3U) << "the window reaches to before the start";
    EXPECT_EQ(since_start.points[0].accepted, 5U);
    EXPECT_EQ(accepted(since_start), 25U);
}

TEST_F(TrendTest, AMissedSecondLosesNothing) {
    sample_after(seconds(1));
    devices().connections = 4;
    devices().accepted = 4;
    sample_after(seconds(1));
    devices().connections = 5;
    devices().accepted = 11;
    sample_after(seconds(5));
    const TrendAnswer seen = answer(seconds(60), seconds(1));
    ASSERT_EQ(seen.points.size(), 7U);
    EXPECT_EQ(accepted(seen), 11U);
    EXPECT_EQ(seen.points[4].connections, 4U) << "unseen seconds keep what stood before";
    EXPECT_EQ(seen.points[4].accepted, 0U);
    EXPECT_EQ(seen.points[6].accepted, 7U);
}

TEST_F(TrendTest, TwoSamplesInOneSecondAreOneSlot) {
    sample_after(seconds(1));
    devices().accepted = 2;
    devices().connections = 2;
    sample_after(milliseconds(400));
    devices().accepted = 3;
    devices().connections = 1;
    sample_after(milliseconds(500));
    const TrendAnswer seen = answer(seconds(60), seconds(1));
    ASSERT_EQ(seen.points.size(), 1U);
    EXPECT_EQ(seen.points[0].accepted, 3U);
    EXPECT_EQ(seen.points[0].fewest, 0U);
    EXPECT_EQ(seen.points[0].max, 2U);
    EXPECT_EQ(seen.points[0].connections, 1U);
}

TEST_F(TrendTest, TheRingsWrapAround) {
    for (seconds time{0}; time < hours(50); time += seconds(1)) {
        devices().accepted += 1;
        devices().connections = static_cast<std::uint64_t>(time.count());
        sample_after(seconds(1));
    }
    const TrendAnswer fine = answer(hours(1), seconds(1));
    ASSERT_EQ(fine.points.size(), 3'600U);
    EXPECT_EQ(accepted(fine), 3'600U);
    EXPECT_EQ(fine.points.back().at - fine.points.front().at, seconds(3'599));
    EXPECT_EQ(fine.points.back().connections - fine.points.front().connections, 3'599U);

    const TrendAnswer coarse = answer(hours(48), seconds(0));
    EXPECT_EQ(coarse.step, minutes(5));
    ASSERT_EQ(coarse.points.size(), 576U);
    EXPECT_EQ(coarse.points[1].at - coarse.points[0].at, minutes(5));
    EXPECT_EQ(coarse.points[0].accepted, 300U);
    EXPECT_EQ(answer(hours(500), minutes(1)).points.size(), 2'880U) << "two days are all there is";
}

TEST_F(TrendTest, WindowAndStepChooseTheRing) {
    for (int second = 0; second < 7'200; ++second) {
        devices().accepted += 1;
        sample_after(seconds(1));
    }
    EXPECT_EQ(answer(hours(1), seconds(7)).step, seconds(7));
    EXPECT_EQ(answer(hours(2), seconds(7)).step, seconds(60));
    EXPECT_EQ(answer(hours(2), seconds(61)).step, seconds(120));
    EXPECT_EQ(answer(seconds(10), hours(1)).step, seconds(10));
    EXPECT_EQ(answer(seconds(10), hours(1)).points.size(), 1U);
    EXPECT_EQ(answer(seconds(0), seconds(-5)).points.size(), 1U);
    EXPECT_EQ(accepted(answer(hours(3), minutes(5))), 7'200U);
    EXPECT_EQ(answer(hours(3), minutes(5)).points.back().at, wall_);
}

TEST_F(TrendTest, AListenerThatStartsAgainCountsFromZero) {
    devices().accepted = 100;
    sample_after(seconds(1));
    devices() = listener("devices", 1);
    devices().accepted = 120;
    sample_after(seconds(1));
    EXPECT_EQ(accepted(answer(seconds(60), seconds(1), "devices")), 220U) << "another number: another's counters";
    devices().accepted = 5;
    sample_after(seconds(1));
    EXPECT_EQ(accepted(answer(seconds(60), seconds(1), "devices")), 225U) << "a counter that fell";
}

TEST_F(TrendTest, ListenersComeAndGo) {
    status_.listeners.push_back(listener("meters", 1));
    status_.listeners[1].accepted = 3;
    status_.listeners[1].connections = 3;
    sample_after(seconds(1));
    EXPECT_EQ(answer(seconds(60), seconds(1)).points.back().connections, 3U);
    status_.listeners.pop_back();
    sample_after(seconds(1));
    const TrendAnswer gone = answer(seconds(60), seconds(1), "meters");
    ASSERT_EQ(gone.points.size(), 2U);
    EXPECT_EQ(gone.points[1].connections, 0U);
    EXPECT_EQ(answer(seconds(60), seconds(1)).points.back().connections, 0U);

    status_.listeners.push_back(listener("meters", 1));
    status_.listeners[1].accepted = 4;
    sample_after(seconds(1));
    EXPECT_EQ(accepted(answer(seconds(60), seconds(1), "meters")), 7U) << "it is another one, with counters of its own";
    status_.listeners.pop_back();
    for (int second = 0; second < 3'602; ++second) sample_after(seconds(1));
    EXPECT_TRUE(answer(seconds(60), seconds(1), "meters").points.empty());
    EXPECT_FALSE(answer(seconds(60), seconds(1), "devices").points.empty());
}

TEST_F(TrendTest, FewOfTheGoneAreKept) {
    for (int i = 0; i < 40; ++i) {
        status_.listeners = {listener("l" + std::to_string(i), 0)};
        sample_after(seconds(1));
    }
    EXPECT_FALSE(answer(seconds(60), seconds(1), "l39").points.empty());
    EXPECT_FALSE(answer(seconds(60), seconds(1), "l23").points.empty());
    EXPECT_TRUE(answer(seconds(60), seconds(1), "l22").points.empty());
}

TEST_F(TrendTest, TheHistoryMovesWithAClockThatIsSet) {
    devices().accepted = 1;
    sample_after(seconds(1));
    for (const hours step : {-hours(5), hours(24 * 365 * 10)}) {
        wall_ += step;
        devices().accepted += 2;
        sample_after(seconds(1));
        EXPECT_EQ(answer(seconds(60), seconds(1)).points.back().at, wall_);
    }
    const TrendAnswer seen = answer(seconds(60), seconds(1));
    EXPECT_EQ(accepted(seen), 5U);
    ASSERT_EQ(seen.points.size(), 3U) << "three seconds have passed";
    EXPECT_EQ(seen.points.front().at, wall_ - seconds(2));
    EXPECT_EQ(answer(hours(48), minutes(1)).points.size(), 1U);
}

TEST_F(TrendTest, GoesOnAfterARestart) {
    devices().connections = 9;
    devices().accepted = 9;
    for (int i = 0; i < 299; ++i) sample_after(seconds(1));
    wall_ += hours(3);  // the wall clock is set; the times of former samples follow
    sample_after(seconds(1));
    devices().closed[static_cast<std::size_t>(CloseReason::shutdown)] = 9;
    devices().connections = 0;
    sample_after(seconds(1));
    const std::string saved = trend_.saved();
    EXPECT_LT(saved.size(), 2'000U);  // equal slots are one line

    Trend later;
    ASSERT_TRUE(later.restore(saved));
    EXPECT_EQ(later.saved().substr(0, 3), "all");
    ServerStatus status;
    status.listeners.push_back(listener("devices", 0));
    status.listeners.front().connections = status.listeners.front().accepted = 4;
    later.sample(SteadyTime(hours(1)), wall_ + seconds(60), status);
    for (const auto& name : {std::optional<std::string>(), std::optional<std::string>("devices")}) {
        const auto points = later.answer({seconds(400), seconds(1), name}).points;
        ASSERT_EQ(points.size(), 361U);
        EXPECT_EQ(points.front().accepted, 9U);
        EXPECT_EQ(points[299].connections, 9U);
        EXPECT_EQ(closed_of(points[300], CloseReason::shutdown), 9U);
        EXPECT_EQ(points[330].max, 0U);  // there was no gateway
        EXPECT_EQ(points.back().connections, 4U);
        EXPECT_EQ(points.back().accepted, 4U);
        EXPECT_EQ(points.back().at, wall_ + seconds(60));
    }
}

TEST_F(TrendTest, TextOfAnotherFormChangesNothing) {
    for (int i = 0; i < 100; ++i) {
        devices().connections = static_cast<std::uint64_t>(i);
        sample_after(seconds(1));
    }
    const std::string saved = trend_.saved();
    Trend later;
    const std::size_t whole_part = saved.find("listener");  // the text up to here has a valid form
    for (std::size_t length = 0; length + 1 < saved.size(); length += 7) {
        if (length == whole_part || length + 1 == whole_part) continue;
        if (later.restore(saved.substr(0, length))) ADD_FAILURE() << length;
    }
    for (std::string text :
         {saved + "x", "all 0\nring 1 1 1 9999999\n" + saved, "all 0\nring 1 1 1 1\n2 0 0 0 0 0 0 0\n" + saved}) {
        EXPECT_FALSE(later.restore(text));
    }
    EXPECT_TRUE(later.answer({seconds(60), seconds(1), std::nullopt}).points.empty());
    ASSERT_TRUE(later.restore(saved));
    EXPECT_FALSE(later.answer({seconds(60), seconds(1), std::nullopt}).points.empty());
}

}  // namespace
}  // namespace holdfast
