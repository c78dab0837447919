#include "server/numbering.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Verdict = Numbering::Verdict;

TEST(Numbering, GoesOnBehindWhatIsDurable) {
    const Numbering numbers(7, 0);
    EXPECT_EQ(numbers.next(), 8U);
    EXPECT_EQ(numbers.judge(8), Verdict::expected);
    EXPECT_EQ(numbers.judge(7), Verdict::repeated);
    EXPECT_EQ(numbers.judge(9), Verdict::gap);
    EXPECT_FALSE(numbers.has_news());
}

TEST(Numbering, ADeviceMayGoOnFurtherButNotFallBehind) {
    EXPECT_EQ(Numbering(7, 20).next(), 20U);
    EXPECT_EQ(Numbering(7, 3).next(), 8U);
}

TEST(Numbering, WhatIsTakenIsNewsOnceItIsSafe) {
    Numbering numbers(0, 0);
    numbers.take();
    numbers.take();
    EXPECT_FALSE(numbers.has_news());
    EXPECT_TRUE(numbers.make_safe(2));
    numbers.told();
    EXPECT_FALSE(numbers.has_news());
    EXPECT_FALSE(numbers.make_safe(1));
    numbers.tell_again();
    EXPECT_TRUE(numbers.has_news());
    EXPECT_EQ(numbers.safe(), 2U);
}

TEST(Numbering, AGapIsToldOnceUntilTheExpectedOneComes) {
    Numbering numbers(0, 0);
    EXPECT_TRUE(numbers.tells_gap());
    numbers.gap_told();
    EXPECT_FALSE(numbers.tells_gap());
    numbers.take();
    EXPECT_TRUE(numbers.tells_gap());
}

}  // namespace
}  // namespace holdfast
