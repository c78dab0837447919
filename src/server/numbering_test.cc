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

TEST(Numbering, AFirstNumberThatIsRepeatedAfterTheGapWasReportedIsTheBeginning) {
    for (const std::uint64_t durable : {0U, 7U}) {
        Numbering numbers(durable, 0);
        EXPECT_FALSE(numbers.begins_at(81));
        EXPECT_FALSE(numbers.begins_at(81)) << "the device has not been told yet";
        numbers.gap_told();
        EXPECT_FALSE(numbers.begins_at(82));
        EXPECT_EQ(numbers.judge(durable + 1), Verdict::expected) << "the device may still go back";
        EXPECT_TRUE(numbers.begins_at(81));
        EXPECT_EQ(numbers.judge(81), Verdict::expected);
        EXPECT_EQ(numbers.judge(80), Verdict::skipped);
        EXPECT_EQ(numbers.safe(), durable);
        numbers.take();
        EXPECT_EQ(numbers.judge(82), Verdict::expected);
        EXPECT_FALSE(numbers.begins_at(90)) << "a gap further on is one";
    }
}

TEST(Numbering, NumbersThatHaveBegunOrWereNamedBeginNowhereElse) {
    Numbering named(0, 5);
    Numbering begun(0, 0);
    begun.take();
    for (Numbering* numbers : {&named, &begun}) {
        EXPECT_FALSE(numbers->begins_at(81));
        numbers->gap_told();
        EXPECT_FALSE(numbers->begins_at(81));
    }
}

TEST(Numbering, AJumpMakesNothingSafe) {
    Numbering numbers(3, 1'000);
    EXPECT_EQ(numbers.safe(), 3U);
    EXPECT_FALSE(numbers.has_news());
    numbers.take();
    EXPECT_EQ(numbers.safe(), 3U) << "the first number behind the jump is not durable yet";
    EXPECT_TRUE(numbers.make_safe(1'000));
    EXPECT_EQ(numbers.safe(), 1'000U);
}

TEST(Numbering, WhatAJumpSkippedIsNoRepetition) {
    struct Row {
        std::uint64_t durable, from, seq;
        Verdict verdict;
    };
    for (const Row& row :
         {Row{3, 1'000, 2, Verdict::repeated}, Row{3, 1'000, 3, Verdict::repeated}, Row{3, 1'000, 4, Verdict::skipped},
          Row{3, 1'000, 999, Verdict::skipped}, Row{3, 1'000, 1'000, Verdict::expected},
          Row{3, 1'000, 1'001, Verdict::gap}, Row{0, 201, 1, Verdict::skipped}, Row{3, 4, 3, Verdict::repeated},
          Row{3, 4, 4, Verdict::expected}, Row{3, 2, 3, Verdict::repeated}}) {
        EXPECT_EQ(Numbering(row.durable, row.from).judge(row.seq), row.verdict)
            << row.durable << " durable, from " << row.from << ", item " << row.seq;
    }
    Numbering behind(3, 1'000);
    behind.take();
    EXPECT_EQ(behind.judge(1'000), Verdict::repeated);
    EXPECT_EQ(behind.judge(999), Verdict::skipped);
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
