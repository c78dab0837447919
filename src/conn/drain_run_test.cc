#include "conn/drain_run.h"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "testing/manual_clock.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

class DrainRunTest : public testing::Test {
protected:
    DrainRunTest() { progress_->reactors_busy = 1; }

    std::unique_ptr<DrainRun> run(Token connections, bool come_back_later = true) {
        auto made = std::make_unique<DrainRun>(
            DrainTask{.began = began_,
                      .over = 100s,
                      .timeout = 5s,
                      .wanted = [](const Connection&) { return true; },
                      .goodbye = [](const Connection&, milliseconds time) { return std::to_string(time.count()); },
                      .come_back_later = come_back_later,
                      .seed = 7,
                      .progress = progress_});
        for (Token number = 1; number <= connections; ++number) made->add(number);
        made->all_added();
        return made;
    }

    ManualClock clock_;
    const SteadyTime began_ = clock_.steady();
    const Connection connection_{};
    std::shared_ptr<DrainProgress> progress_ = std::make_shared<DrainProgress>();
};

TEST_F(DrainRunTest, EndsLieEvenlyOverTheTime) {
    const auto drain = run(1'000);
    std::map<int, int> by_tenth;
    std::vector<Token> order;
    clock_.advance(50ms);
    for (int step = 0; step < 1'001; ++step, clock_.advance(100ms)) {
        while (const auto number = drain->due(clock_.steady())) {
            order.push_back(*number);
            ++by_tenth[step / 100];
            drain->done(true);
        }
    }
    EXPECT_EQ(order.size(), 1'000U);
    EXPECT_EQ(drain->next(), std::nullopt);
    for (const auto& [tenth, ends] : by_tenth) EXPECT_NEAR(ends, 100, 1) << tenth;
    EXPECT_EQ(by_tenth.size(), 10U);
    EXPECT_FALSE(std::is_sorted(order.begin(), order.end())) << "neighbours must not end together";
    std::sort(order.begin(), order.end());
    EXPECT_EQ(std::unique(order.begin(), order.end()), order.end());
    EXPECT_EQ(progress_->found, 1'000U);
    EXPECT_EQ(progress_->ended, 1'000U);
}

TEST_F(DrainRunTest, OneConnectionEndsInTheMiddle) {
    const auto drain = run(1);
    EXPECT_EQ(drain->next(), began_ + 50s);
    EXPECT_EQ(drain->due(began_ + 49s), std::nullopt);
    EXPECT_EQ(drain->due(began_ + 50s), Token{1});
}

TEST_F(DrainRunTest, NoConnectionToEnd) {
    const auto drain = run(0);
    EXPECT_EQ(drain->next(), std::nullopt);
    EXPECT_EQ(drain->due(began_ + 200s), std::nullopt);
}

TEST_F(DrainRunTest, ADeferredConnectionHasItsTurnAtTheEnd) {
    const auto drain = run(2);
    clock_.advance(25s);
    const auto first = drain->due(clock_.steady());
    ASSERT_TRUE(first);
    drain->put_off();
    EXPECT_EQ(drain->due(clock_.steady()), std::nullopt);
    clock_.advance(50s);
    EXPECT_NE(drain->due(clock_.steady()), first);
    drain->done(true);
    EXPECT_EQ(drain->next(), began_ + 100s);
    clock_.advance(25s);
    EXPECT_EQ(drain->due(clock_.steady()), first);
    drain->done(false);
    EXPECT_EQ(progress_->ended, 1U);
    EXPECT_EQ(progress_->gone, 1U);
}

TEST_F(DrainRunTest, TheyComeBackOneTimeLaterInTheSameOrder) {
    const auto drain = run(4);
    EXPECT_EQ(drain->goodbye(connection_, *drain->next()), "100000");
    // Sent 30 s late, the item states 30 s less, so the device returns at the planned time.
    EXPECT_EQ(drain->goodbye(connection_, *drain->next() + 30s), "70000");
    EXPECT_EQ(drain->goodbye(connection_, *drain->next() + 300s), "0");
}

TEST_F(DrainRunTest, OrAtOnce) {
    const auto drain = run(4, false);
    EXPECT_EQ(drain->goodbye(connection_, *drain->next()), "0");
}

TEST_F(DrainRunTest, ItsEndIsKnownToAll) {
    auto drain = run(1);
    EXPECT_FALSE(drain->cancelled());
    progress_->cancelled = true;
    EXPECT_TRUE(drain->cancelled());
    drain.reset();
    EXPECT_EQ(progress_->reactors_busy, 0U);
}

}  // namespace
}  // namespace holdfast
