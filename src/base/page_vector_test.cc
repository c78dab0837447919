#include "base/page_vector.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <numeric>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

/// Returns true if the page at this address is mapped (mincore(2) returns ENOMEM if not).
bool is_mapped(const void* address) {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    auto* begin = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(address) & ~(page - 1));
    std::array<unsigned char, 1> resident{};
    return ::mincore(begin, page, resident.data()) == 0 || errno != ENOMEM;
}

TEST(PageVector, GivesItsMemoryBackAtOnce) {
    const void* was = nullptr;
    {
        PageVector<std::uint64_t> numbers(100'000);
        std::iota(numbers.begin(), numbers.end(), 0U);
        EXPECT_EQ(numbers.back(), 99'999U);
        was = numbers.data();
        EXPECT_TRUE(is_mapped(was));
    }
    EXPECT_FALSE(is_mapped(was));
}

TEST(PageVector, GrowsAndMoves) {
    PageVector<std::uint64_t> numbers;
    for (std::uint64_t i = 0; i < 10'000; ++i) numbers.push_back(i);
    const PageVector<std::uint64_t> moved = std::move(numbers);
    for (std::uint64_t i = 0; i < 10'000; ++i) ASSERT_EQ(moved[i], i);
}

int asked = 0;

TEST(PageVector, CallsTheNewHandlerForRoomAndThrowsWhenThereIsNone) {
    PageAllocator<std::uint64_t> allocator;
    constexpr std::size_t more_than_there_is = std::size_t{1} << 57;  // in bytes: 2^60
    EXPECT_THROW(static_cast<void>(allocator.allocate(more_than_there_is)), std::bad_alloc);
    EXPECT_THROW(static_cast<void>(allocator.allocate(SIZE_MAX)), std::bad_array_new_length);
    std::set_new_handler([] {
        if (++asked == 3) throw std::bad_alloc();
    });
    EXPECT_THROW(static_cast<void>(allocator.allocate(more_than_there_is)), std::bad_alloc);
    std::set_new_handler(nullptr);
    EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace holdfast
