#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace holdfast {

/// Grows the process's descriptor table so that `count` descriptors fit, or as far as RLIMIT_NOFILE allows; 8 bytes per
/// descriptor. The kernel doubles the table on demand. In a process with several threads each doubling waits for every
/// core (fs/file.c, expand_fdtable: synchronize_rcu), about 10 ms during accept. `any` is an open descriptor.
void grow_descriptor_table(int any, std::size_t count) noexcept;

/// Returns the size of the table; every descriptor is below it (proc(5), FDSize). Any thread.
[[nodiscard]] std::size_t descriptor_table_size();

/// Holds memory back until operator new fails (RLIMIT_DATA, RLIMIT_AS, no overcommit). The reserve is then released,
/// and the program continues while the callback's owner frees memory. One instance at a time: installed before threads
/// that allocate, removed after them. For a control group's limit the kernel kills instead.
class MemoryReserve {
public:
    /// Installs the reserve. `on_exhausted` runs on the thread whose allocation failed, and must neither allocate nor
    /// wait.
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
