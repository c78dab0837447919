#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

namespace holdfast {

/// Allocates whole pages from the system and returns them when they are freed. For large, short-lived arrays: malloc
/// keeps some megabytes of those at the top of each thread's arena (M_TRIM_THRESHOLD, mallopt(3)). malloc_trim(3) does
/// not release them. Any thread.
template <typename T>
struct PageAllocator {
    using value_type = T;
    static_assert(alignof(T) <= 4096);

    PageAllocator() = default;
    template <typename U>
    PageAllocator(const PageAllocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor): [allocator.requirements]

    /// @throws std::bad_alloc Like operator new, after the new-handler was called.
    [[nodiscard]] T* allocate(std::size_t count) {
        if (count > PTRDIFF_MAX / sizeof(T)) throw std::bad_array_new_length();
        while (true) {
            void* memory =
                ::mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory != MAP_FAILED) return static_cast<T*>(memory);
            const std::new_handler make_room = std::get_new_handler();
            if (make_room == nullptr) throw std::bad_alloc();
            make_room();
        }
    }
    void deallocate(T* memory, std::size_t count) noexcept { ::munmap(memory, count * sizeof(T)); }

    template <typename U>
    bool operator==(const PageAllocator<U>&) const noexcept {
        return true;
    }
};

template <typename T>
using PageVector = std::vector<T, PageAllocator<T>>;

}  // namespace holdfast
