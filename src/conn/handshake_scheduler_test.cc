#include "conn/handshake_scheduler.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;

using std::chrono::milliseconds;

constexpr auto everybody = [](Token) { return true; };

class HandshakeSchedulerTest : public testing::Test {
protected:
    /// Returns the connections that one turn steps; refused ones are negative.
    template <typename Exists = decltype(everybody)>
    std::vector<std::int64_t> turn(Exists exists = everybody) {
        std::vector<std::int64_t> out;
        order_.begin_turn();
        while (const auto next = order_.next(now_, exists)) {
            const auto number = static_cast<std::int64_t>(next->number);
            out.push_back(next->too_late ? -number : number);
        }
        return out;
    }
    void add_new(Token first, Token last) {
        for (Token number = first; number <= last; ++number) order_.add(number, peer_, false, now_);
    }
    void add_begun(Token first, Token last) {
        for (Token number = first; number <= last; ++number) order_.add(number, peer_, true, now_);
    }

    IpAddress peer_;
    HandshakeScheduler order_;
    SteadyTime now_{milliseconds(1'000)};
};

TEST_F(HandshakeSchedulerTest, ATurnMakesFourSteps) {
    add_new(1, 6);
    EXPECT_THAT(turn(), ElementsAre(1, 2, 3, 4));
    EXPECT_FALSE(order_.empty());
    EXPECT_THAT(turn(), ElementsAre(5, 6));
    EXPECT_TRUE(order_.empty());
    EXPECT_THAT(turn(), IsEmpty());
}

TEST_F(HandshakeSchedulerTest, BegunHandshakesGoFirstAndOneStepIsForNewOnes) {
    add_new(1, 2);
    add_begun(11, 18);
    EXPECT_THAT(turn(), ElementsAre(11, 12, 13, 1));
    EXPECT_THAT(turn(), ElementsAre(14, 15, 16, 2));
    EXPECT_THAT(turn(), ElementsAre(17, 18));
}

TEST_F(HandshakeSchedulerTest, WithoutNewHandshakesAllStepsAreForTheOthers) {
    add_begun(11, 15);
    EXPECT_THAT(turn(), ElementsAre(11, 12, 13, 14));
}

TEST_F(HandshakeSchedulerTest, AHandshakeThatWaitedTooLongIsRefusedAndCostsNoStep) {
    add_new(1, 3);
    now_ += HandshakeScheduler::longest_wait_to_begin;
    add_new(4, 5);
    EXPECT_THAT(turn(), ElementsAre(1, 2, 3, 4)) << "just in time";
    add_new(6, 8);
    now_ += HandshakeScheduler::longest_wait_to_begin + milliseconds(1);
    add_new(9, 13);
    EXPECT_THAT(turn(), ElementsAre(-5, -6, -7, -8, 9, 10, 11, 12));
}

TEST_F(HandshakeSchedulerTest, ABegunHandshakeIsNeverTooLate) {
    add_begun(11, 12);
    now_ += std::chrono::seconds(4);
    EXPECT_THAT(turn(), ElementsAre(11, 12));
}

TEST_F(HandshakeSchedulerTest, ATurnRefusesOnlySoMany) {
    add_new(1, HandshakeScheduler::refusals_a_turn + 10);
    now_ += std::chrono::seconds(2);
    const auto refused = turn();
    EXPECT_EQ(refused.size(), static_cast<std::size_t>(HandshakeScheduler::refusals_a_turn));
    EXPECT_THAT(refused, Each(testing::Lt(0)));
    EXPECT_EQ(turn().size(), 10U);
}

TEST_F(HandshakeSchedulerTest, EndedHandshakesTakeNoStep) {
    add_begun(11, 13);
    add_new(1, 8);
    EXPECT_THAT(turn([](Token number) { return number % 2 == 0; }), ElementsAre(12, 2, 4, 6));
}

TEST_F(HandshakeSchedulerTest, TheSourcesTakeTurnsToBegin) {
    peer_ = parse_ip_address("10.0.0.1").value();
    add_new(1, 1'000);
    peer_ = parse_ip_address("10.0.0.2").value();
    add_new(2'001, 2'002);
    peer_ = parse_ip_address("2001:db8:1:1::1").value();
    add_new(3'001, 3'001);
    peer_ = parse_ip_address("2001:db8:1:1::2").value();  // in the same /64
    add_new(3'002, 3'002);
    EXPECT_THAT(turn(), ElementsAre(1, 2'001, 3'001, 2));
    EXPECT_THAT(turn(), ElementsAre(2'002, 3'002, 3, 4));
}

}  // namespace
}  // namespace holdfast
