#include "conn/partings.h"

#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using std::chrono::milliseconds;

constexpr SteadyTime start{std::chrono::hours(1)};

TEST(Partings, AreLookedAtInTurnWhileTheyLast) {
    Partings partings;
    partings.add(1, {.listener = 3}, start);
    partings.add(2, {.listener = 3}, start + milliseconds(10));
    EXPECT_EQ(partings.due(start), std::nullopt);
    EXPECT_EQ(partings.next_check(), start + Partings::quiet);
    EXPECT_EQ(partings.due(start + Partings::quiet), Token{1});
    partings.check_again(1, start + Partings::quiet);
    partings.remove(2);
    EXPECT_EQ(partings.due(start + Partings::quiet + milliseconds(10)), std::nullopt) << "it has ended";
    EXPECT_EQ(partings.due(start + 2 * Partings::quiet), Token{1});
    EXPECT_EQ(partings.size_of(3), 1U);
    partings.remove(1);
    EXPECT_EQ(partings.size_of(3), 0U);
    EXPECT_EQ(partings.find(1), nullptr);
    EXPECT_EQ(partings.next_check(), std::nullopt);
}

TEST(Partings, WantOneTimerAtATime) {
    Partings partings;
    EXPECT_EQ(partings.wants_timer(), std::nullopt);
    partings.add(1, {}, start);
    EXPECT_EQ(partings.wants_timer(), start + Partings::quiet);
    partings.add(2, {}, start + milliseconds(1));
    EXPECT_EQ(partings.wants_timer(), std::nullopt);
    partings.expired();
    EXPECT_EQ(partings.due(start + Partings::quiet), Token{1});
    EXPECT_EQ(partings.wants_timer(), start + Partings::quiet + milliseconds(1));
}

TEST(Partings, KeepTheirOrderUntilTheyHaveEnded) {
    Partings partings;
    const auto order = std::make_shared<int>(0);
    partings.add(1, {.order = order}, start);
    EXPECT_EQ(order.use_count(), 2);
    partings.remove(1);
    EXPECT_EQ(order.use_count(), 1);
}

TEST(RetryAfter, IsSpreadEvenlyHoweverManyThereAre) {
    const StopTask task{.deadline = {}, .spread = milliseconds(5'000), .seed = 0x1234'5678'9abc'def0};
    for (const std::uint64_t count : {10U, 100U, 1'000U, 10'000U}) {
        std::vector<std::uint64_t> tenths(10);
        for (std::uint64_t nth = 0; nth < count; ++nth) {
            const milliseconds told = retry_after(task, nth);
            ASSERT_GE(told, milliseconds(1'000));
            ASSERT_LT(told, milliseconds(6'000));
            ++tenths[static_cast<std::size_t>((told - milliseconds(1'000)) / milliseconds(500))];
        }
        for (const std::uint64_t each : tenths) {
            EXPECT_GE(each + 2, count / 10);
            EXPECT_LE(each, count / 10 + 2);
        }
    }
}

}  // namespace
}  // namespace holdfast
