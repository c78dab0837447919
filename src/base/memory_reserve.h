#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace holdfast {

/// Memory put aside for when the system gives no more to operator new (RLIMIT_DATA, RLIMIT_AS, no overcommit): it is
/// given up then, so that the program goes on while whoever was told makes room. One at a time; install it before
/// threads that allocate, and take it away after them. (The limit of a control group is another thing: the kernel
/// kills.)
class MemoryReserve {
public:
    /// `on_exhausted` is called by the thread whose allocation failed: it must neither allocate nor wait.
    MemoryReserve(std::size_t bytes, std::function<void()> on_exhausted);
    MemoryReserve(const MemoryReserve&) = delete;
    MemoryReserve& operator=(const MemoryReserve&) = delete;
    ~MemoryReserve();

    /// How often it was given up. Any thread.
    [[nodiscard]] std::uint64_t times_used() const noexcept;
    /// Puts the bytes aside anew. False: there is no memory for it yet. Until there is, operator new waits
    /// for what others free, up to a second in all, and throws then. Any thread.
    bool refill() noexcept;

private:
    const std::size_t bytes_;
};

}  // namespace holdfast
