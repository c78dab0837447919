#include "base/memory_reserve.h"

#include <new>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

/// What operator new does where malloc fails.
void fail_an_allocation() { std::get_new_handler()(); }

TEST(MemoryReserve, IsGivenUpOnceAndToldOf) {
    int told = 0;
    const MemoryReserve reserve(1 << 20, [&told] { ++told; });
    const std::uint64_t before = reserve.times_used();
    fail_an_allocation();
    EXPECT_EQ(told, 1);
    EXPECT_EQ(reserve.times_used(), before + 1);
    EXPECT_THROW(fail_an_allocation(), std::bad_alloc);
    EXPECT_EQ(told, 1);
}

TEST(MemoryReserve, RefilledItServesAgain) {
    int told = 0;
    MemoryReserve reserve(1 << 20, [&told] { ++told; });
    fail_an_allocation();
    EXPECT_TRUE(reserve.refill());
    EXPECT_TRUE(reserve.refill());
    fail_an_allocation();
    EXPECT_EQ(told, 2);
    EXPECT_THROW(fail_an_allocation(), std::bad_alloc);
}

TEST(MemoryReserve, TakenAwayNothingIsLeftOfIt) {
    {
        const MemoryReserve reserve(1 << 20, [] {});
    }
    EXPECT_EQ(std::get_new_handler(), nullptr);
}

}  // namespace
}  // namespace holdfast
