#include "conn/preamble_table.h"

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(PreambleTable, AllHaveTheSameTime) {
    PreambleTable preambles;
    const SteadyTime start{std::chrono::hours(1)};
    EXPECT_EQ(preambles.next_deadline(), std::nullopt);
    preambles.begin(1, {}, start);
    preambles.begin(2, {}, start + seconds(1));
    preambles.begin(3, {}, start + seconds(2));
    EXPECT_EQ(preambles.next_deadline(), start + seconds(5));
    EXPECT_EQ(preambles.overdue(start + seconds(5) - milliseconds(1)), std::nullopt);
    preambles.end(1);
    EXPECT_EQ(preambles.find(1), nullptr);
    EXPECT_EQ(preambles.next_deadline(), start + seconds(6)) << "the first was in time";
    EXPECT_EQ(preambles.overdue(start + seconds(7)), Token{2});
    EXPECT_NE(preambles.find(2), nullptr) << "it is told, and ends when its connection does";
    EXPECT_EQ(preambles.overdue(start + seconds(7)), Token{3});
    EXPECT_EQ(preambles.overdue(start + seconds(9)), std::nullopt);
    EXPECT_EQ(preambles.next_deadline(), std::nullopt);
}

TEST(PreambleTable, OneThatIsPutOffIsOverdueAgain) {
    PreambleTable preambles;
    const SteadyTime start{std::chrono::hours(1)};
    preambles.begin(1, {}, start);
    preambles.begin(2, {}, start + seconds(1));
    EXPECT_EQ(preambles.find(1)->due, start + PreambleTable::deadline);
    EXPECT_EQ(preambles.overdue(start + seconds(5)), Token{1});
    preambles.put_off(1, start + seconds(8));
    EXPECT_EQ(preambles.overdue(start + seconds(7)), Token{2}) << "in the order of time";
    EXPECT_EQ(preambles.overdue(start + seconds(7)), std::nullopt);
    EXPECT_EQ(preambles.next_deadline(), start + seconds(8));
    EXPECT_EQ(preambles.overdue(start + seconds(8)), Token{1});
}

}  // namespace
}  // namespace holdfast
