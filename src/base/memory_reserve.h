#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace holdfast {

/// Holds memory back for the moment when the system gives no more to operator new (RLIMIT_DATA, RLIMIT_AS, no
/// overcommit). The reserve is released then, and the program continues while the callback's owner frees memory. One at
/// a time; install it before threads that allocate, and remove it after them. A control group's limit is different: the
/// kernel kills.
class MemoryReserve {
public:
    /// `on_exhausted` runs on the thread whose allocation failed. It must neither allocate nor wait.
    MemoryReserve(std::size_t bytes, std::function<void()> on_exhausted);
    MemoryReserve(const MemoryReserve&) = delete;
    MemoryReserve& operator=(const MemoryReserve&) = delete;
    ~MemoryReserve();

    /// Returns how often the reserve was released. Any thread.
    [[nodiscard]] std::uint64_t times_used() const noexcept;
    /// Fills the reserve again. Returns false if memory is still short. Until the reserve is full, operator new waits
    /// up to a second for memory that others free, and throws after that. Any thread.
    bool refill() noexcept;

private:
    const std::size_t bytes_;
};

}  // namespace holdfast
