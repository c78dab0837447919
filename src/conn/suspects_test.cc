#include "conn/suspects.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

TEST(Suspects, AreProbedMoreSeldomTheLongerTheyAreSilent) {
    const LivenessPlan plan = plan_liveness(120s).value();
    EXPECT_EQ(suspect_probe_pause(plan, 0s), 1s);
    EXPECT_EQ(suspect_probe_pause(plan, 4s), 1s);
    EXPECT_EQ(suspect_probe_pause(plan, 8s), 2s);
    EXPECT_EQ(suspect_probe_pause(plan, 1h), plan.interval);
    EXPECT_EQ(suspect_probe_pause(plan_liveness(9s).value(), 1h), 1s);
}

TEST(Suspects, NoProbeIsForcedNearTheVerdictOfAnyPlan) {
    for (const auto within : {3s, 9s, 15s, 30s, 60s, 120s, 3'600s}) {
        const LivenessPlan plan = plan_liveness(within).value();
        for (std::chrono::milliseconds silence = 0ms; silence < within; silence += 100ms) {
            if (!suspect_needs_probe(plan, silence)) continue;
            // A probe stays forced for at most 5 s, and the kernel probes again an interval later.
            ASSERT_LT(silence + 5s + plan.interval, plan.user_timeout) << within.count() << " s";
        }
        EXPECT_FALSE(suspect_needs_probe(plan, plan.user_timeout));
    }
    EXPECT_TRUE(suspect_needs_probe(plan_liveness(30s).value(), 3s));
    EXPECT_TRUE(suspect_needs_probe(plan_liveness(3'600s).value(), 1'500s)) << "the kernel's own probes come seldom";
}

class Marks : public testing::Test {
protected:
    Marks() { plan_.plan = plan_liveness(30s).value(); }
    ~Marks() override {  // a registry must end empty
        for (std::uint32_t slot = 1; slot <= registry_.highest_slot(); ++slot) {
            if (Connection* connection = registry_.in_slot(slot)) registry_.erase(*connection);
        }
    }
    Connection& connect() {
        Connection* connection = registry_.insert();
        connection->fd = -1;  // TCP_INFO fails, as if the peer did not answer
        return *connection;
    }
    std::optional<SteadyTime> step(std::size_t limit = 256) {
        return suspects_.step(registry_, PolicyTable({plan_}), now_, limit,
                              [this](Connection&, const Evidence&) { ++answered_; });
    }

    Registry registry_{0, 100};
    ListenerPolicy plan_;
    Suspects suspects_;
    SteadyTime now_{1h};
    int answered_ = 0;
};

TEST_F(Marks, StayUntilTheyAreTakenAway) {
    Connection& one = connect();
    const Token number = registry_.number_of(one);
    EXPECT_EQ(step(), std::nullopt) << "without suspects nothing wakes";
    suspects_.mark(one, number, now_);
    suspects_.mark(one, number, now_ + 5s);
    EXPECT_TRUE(one.suspect);
    EXPECT_EQ(suspects_.since(number), now_) << "since the first time";
    EXPECT_EQ(step(), now_ + Suspects::check_every);
    now_ += 500ms;
    EXPECT_EQ(step(), now_ + Suspects::check_every);
    EXPECT_TRUE(one.suspect);
    suspects_.unmark(one, number);
    EXPECT_FALSE(one.suspect);
    now_ += 500ms;
    EXPECT_EQ(step(), std::nullopt);
    EXPECT_EQ(answered_, 0);
}

TEST_F(Marks, EndWithTheirConnection) {
    Connection& one = connect();
    const Token number = registry_.number_of(one);
    suspects_.mark(one, number, now_);
    suspects_.unmark(one, number);
    registry_.erase(one);
    Connection& next = connect();  // reuses the slot
    suspects_.mark(next, registry_.number_of(next), now_);
    now_ += 500ms;
    EXPECT_EQ(step(), now_ + Suspects::check_every);
    EXPECT_EQ(suspects_.all().size(), 1U);
}

TEST_F(Marks, ManyAreLookedAtInSlices) {
    for (int i = 0; i < 100; ++i) {
        Connection& one = connect();
        suspects_.mark(one, registry_.number_of(one), now_);
    }
    now_ += 500ms;
    EXPECT_EQ(step(60), now_ + Suspects::slice_pause);
    now_ += 10ms;
    EXPECT_EQ(step(60), now_ - 10ms + Suspects::check_every) << "the first of the slice before";
}

}  // namespace
}  // namespace holdfast
