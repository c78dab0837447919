#include "device/duplicate_log.h"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DuplicateLog, KeepsTheLatestAndNoMoreThanItsBound) {
    DuplicateLog book;
    SteadyTime time{std::chrono::hours(1)};
    const Endpoint one = parse_endpoint("10.0.0.1:1").value();
    const Endpoint other = parse_endpoint("10.0.0.2:2").value();
    for (int i = 0; i < 1'000; ++i) {
        time += std::chrono::milliseconds(1);
        book.note({.id = "d" + std::to_string(i), .holder = one, .claimant = other, .takeovers = 7}, time);
    }
    const auto kept = book.recent(time);
    ASSERT_EQ(kept.size(), DuplicateLog::max_entries);
    EXPECT_EQ(kept.front().id, "d999");
    EXPECT_EQ(kept.back().id, "d936");
    EXPECT_EQ(kept.front().holder, one);
    EXPECT_EQ(kept.front().claimant, other);
    book.note({.id = "d950", .holder = other, .claimant = one, .takeovers = 8}, time + std::chrono::seconds(1));
    EXPECT_EQ(book.recent(time).size(), DuplicateLog::max_entries);
    EXPECT_EQ(book.recent(time + std::chrono::seconds(1)).front().takeovers, 8U);
    EXPECT_TRUE(book.recent(time + std::chrono::minutes(2)).empty());
}

}  // namespace
}  // namespace holdfast
