#include "conn/message_bounds.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(MessageBounds, KnowsWhetherAPartOfAMessageWasSent) {
    MessageBounds bounds;
    bounds.add(10, false);
    bounds.add(5, false);
    EXPECT_FALSE(bounds.is_cut());
    bounds.take(3);
    EXPECT_TRUE(bounds.is_cut());
    bounds.take(7);
    EXPECT_FALSE(bounds.is_cut());
    bounds.add(1, false);
    bounds.take(6);
    EXPECT_FALSE(bounds.is_cut());
    EXPECT_EQ(bounds.memory(), 0U);
}

TEST(MessageBounds, StaysSmallWhileTheQueueIsNeverEmpty) {
    MessageBounds bounds;
    for (int i = 0; i < 3; ++i) bounds.add(10, false);
    for (int i = 0; i < 10'000; ++i) {
        bounds.add(10, false);
        bounds.take(10);
        ASSERT_FALSE(bounds.is_cut());
    }
    EXPECT_LT(bounds.memory(), 64U);
}

TEST(MessageBounds, BeginsWithTheRestOfAMessage) {
    MessageBounds bounds;
    bounds.add(4, true);
    bounds.add(8, false);
    EXPECT_TRUE(bounds.is_cut());
    bounds.take(4);
    EXPECT_FALSE(bounds.is_cut());
    bounds.take(7);
    EXPECT_TRUE(bounds.is_cut());
    bounds.take(1);
    EXPECT_FALSE(bounds.is_cut());
}

}  // namespace
}  // namespace holdfast
