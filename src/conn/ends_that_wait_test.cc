#include "conn/ends_that_wait.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime start{};

TEST(EndsThatWaitTest, EachIsOverOnceAndInOrder) {
    EndsThatWait ends;
    EXPECT_FALSE(ends.next());
    ends.add(start + 10s, {.number = 1, .is_half_closed = true});
    ends.add(start + 5s, {.number = 2, .is_half_closed = false});
    EXPECT_EQ(ends.next(), start + 5s);
    EXPECT_FALSE(ends.take_over(start + 4s));
    EXPECT_EQ(ends.take_over(start + 20s)->number, 2U);
    const auto second = ends.take_over(start + 20s);
    EXPECT_EQ(second->number, 1U);
    EXPECT_TRUE(second->is_half_closed);
    EXPECT_FALSE(ends.take_over(start + 20s));
}

TEST(EndsThatWaitTest, AnEndedConnectionLeavesNothing) {
    EndsThatWait ends;
    ends.add(start + 1h, {.number = 1, .is_half_closed = true});
    ends.remove(1);
    ends.remove(1);
    EXPECT_EQ(ends.size(), 0U);
    EXPECT_FALSE(ends.next());
}

TEST(EndsThatWaitTest, AConnectionHasOneWait) {
    EndsThatWait ends;
    ends.add(start + 10s, {.number = 1, .is_half_closed = false});
    ends.add(start + 20s, {.number = 1, .is_half_closed = false});
    EXPECT_EQ(ends.next(), start + 10s);
    ends.add(start + 1h, {.number = 1, .is_half_closed = true});
    EXPECT_EQ(ends.next(), start + 1h);
    ends.add(start + 10s, {.number = 1, .is_half_closed = false});
    EXPECT_EQ(ends.next(), start + 1h);
    EXPECT_EQ(ends.size(), 1U);
}

}  // namespace
}  // namespace holdfast
