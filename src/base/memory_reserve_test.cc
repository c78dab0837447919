#include "base/memory_reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DescriptorTable, GrowsAtOnceAndNoDescriptorStaysOpen) {
    const int any = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_GE(any, 0);
    const std::size_t before = descriptor_table_size();
    grow_descriptor_table(any, 4 * before);
    EXPECT_GE(descriptor_table_size(), 4 * before);
    EXPECT_EQ(::fcntl(static_cast<int>(4 * before) - 1, F_GETFD), -1);
    ::close(any);
}

TEST(DescriptorTable, WhatTheLimitForbidsIsLeftOut) {
    grow_descriptor_table(0, std::size_t{1} << 40);  // up to the limit of this process
    grow_descriptor_table(0, 0);
    grow_descriptor_table(-1, 10);
}

/// Does what operator new does after malloc fails.
void fail_an_allocation() { std::get_new_handler()(); }

/// Returns how often the handler permits a retry before it throws.
int failures_before_the_throw() {
    for (int count = 0;; ++count) {
        try {
            fail_an_allocation();
        } catch (const std::bad_alloc&) {
            return count;
        }
    }
}

TEST(MemoryReserve, IsReleasedOnceAndReported) {
    int told = 0;
    const MemoryReserve reserve(1 << 20, [&told] { ++told; });
    const std::uint64_t before = reserve.times_used();
    fail_an_allocation();
    EXPECT_EQ(told, 1);
    EXPECT_EQ(reserve.times_used(), before + 1);
    const int more = failures_before_the_throw();  // retries of threads that failed at the same moment
    EXPECT_GT(more, 0);
    EXPECT_LT(more, 1000);
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
}

TEST(MemoryReserve, OfManyThreadsThatFailAtOnceNoneIsLost) {
    std::atomic<int> told{0};
    const MemoryReserve reserve(1 << 20, [&told] { ++told; });
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back(fail_an_allocation);
    threads.clear();  // joins; a thread that threw would have ended the program
    EXPECT_EQ(told, 1);
}

TEST(MemoryReserve, TakenAwayNothingIsLeftOfIt) {
    {
        const MemoryReserve reserve(1 << 20, [] {});
    }
    EXPECT_EQ(std::get_new_handler(), nullptr);
}

}  // namespace

}  // namespace holdfast
