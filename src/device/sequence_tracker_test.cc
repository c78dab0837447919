#include "device/sequence_tracker.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using Verdict = SequenceTracker::Verdict;

TEST(SequenceTracker, ContinuesAfterTheDurableNumber) {
    const SequenceTracker numbers(7, 0);
    EXPECT_EQ(numbers.next(), 8U);
    EXPECT_EQ(numbers.classify(8), Verdict::expected);
    EXPECT_EQ(numbers.classify(7), Verdict::repeated);
    EXPECT_EQ(numbers.classify(9), Verdict::gap);
    EXPECT_FALSE(numbers.ack_is_due());
}

TEST(SequenceTracker, ADeviceMayGoOnFurtherButNotFallBehind) {
    EXPECT_EQ(SequenceTracker(7, 20).next(), 20U);
    EXPECT_EQ(SequenceTracker(7, 3).next(), 8U);
}

TEST(SequenceTracker, AFirstNumberThatIsRepeatedAfterTheGapWasReportedIsTheBeginning) {
    for (const std::uint64_t durable : {0U, 7U}) {
        SequenceTracker numbers(durable, 0);
        EXPECT_FALSE(numbers.begins_at(81));
        EXPECT_FALSE(numbers.begins_at(81)) << "the device has not been told yet";
        numbers.gap_reported();
        EXPECT_FALSE(numbers.begins_at(82));
        EXPECT_EQ(numbers.classify(durable + 1), Verdict::expected) << "the device may still go back";
        EXPECT_TRUE(numbers.begins_at(81));
        EXPECT_EQ(numbers.classify(81), Verdict::expected);
        EXPECT_EQ(numbers.classify(80), Verdict::skipped);
        EXPECT_EQ(numbers.safe(), durable);
        numbers.take();
        EXPECT_EQ(numbers.classify(82), Verdict::expected);
        EXPECT_FALSE(numbers.begins_at(90)) << "a gap further on is one";
    }
}

TEST(SequenceTracker, NumbersThatHaveBegunOrWereNamedBeginNowhereElse) {
    SequenceTracker named(0, 5);
    SequenceTracker begun(0, 0);
    begun.take();
    for (SequenceTracker* numbers : {&named, &begun}) {
        EXPECT_FALSE(numbers->begins_at(81));
        numbers->gap_reported();
        EXPECT_FALSE(numbers->begins_at(81));
    }
}

TEST(SequenceTracker, AJumpMakesNothingSafe) {
    SequenceTracker numbers(3, 1'000);
    EXPECT_EQ(numbers.safe(), 3U);
    EXPECT_FALSE(numbers.ack_is_due());
    numbers.take();
    EXPECT_EQ(numbers.safe(), 3U) << "the first number behind the jump is not durable yet";
    EXPECT_TRUE(numbers.make_safe(1'000));
    EXPECT_EQ(numbers.safe(), 1'000U);
}

TEST(SequenceTracker, WhatAJumpSkippedIsNoRepetition) {
    struct Row {
        std::uint64_t durable, from, seq;
        Verdict verdict;
    };
    for (const Row& row :
         {Row{3, 1'000, 2, Verdict::repeated}, Row{3, 1'000, 3, Verdict::repeated}, Row{3, 1'000, 4, Verdict::skipped},
          Row{3, 1'000, 999, Verdict::skipped}, Row{3, 1'000, 1'000, Verdict::expected},
          Row{3, 1'000, 1'001, Verdict::gap}, Row{0, 201, 1, Verdict::skipped}, Row{3, 4, 3, Verdict::repeated},
          Row{3, 4, 4, Verdict::expected}, Row{3, 2, 3, Verdict::repeated}}) {
        EXPECT_EQ(SequenceTracker(row.durable, row.from).classify(row.seq), row.verdict)
            << row.durable << " durable, from " << row.from << ", item " << row.seq;
    }
    SequenceTracker behind(3, 1'000);
    behind.take();
    EXPECT_EQ(behind.classify(1'000), Verdict::repeated);
    EXPECT_EQ(behind.classify(999), Verdict::skipped);
}

TEST(SequenceTracker, AnAdmittedItemIsAcknowledgedOnceItIsSafe) {
    SequenceTracker numbers(0, 0);
    numbers.take();
    numbers.take();
    EXPECT_FALSE(numbers.ack_is_due());
    EXPECT_TRUE(numbers.make_safe(2));
    numbers.told();
    EXPECT_FALSE(numbers.ack_is_due());
    EXPECT_FALSE(numbers.make_safe(1));
    numbers.repeat_ack();
    EXPECT_TRUE(numbers.ack_is_due());
    EXPECT_EQ(numbers.safe(), 2U);
}

TEST(SequenceTracker, AGapIsReportedOnceUntilTheExpectedOneArrives) {
    SequenceTracker numbers(0, 0);
    EXPECT_TRUE(numbers.reports_gap());
    numbers.gap_reported();
    EXPECT_FALSE(numbers.reports_gap());
    numbers.take();
    EXPECT_TRUE(numbers.reports_gap());
}

}  // namespace
}  // namespace holdfast
