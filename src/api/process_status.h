#pragma once

#include <cstdint>

namespace holdfast {

/// The kernel's figures of this process, under the names that Prometheus clients use.
struct ProcessStatus {
    double start_time_s = 0;  ///< since 1970
    double cpu_s = 0;         ///< user and system, all threads
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;  ///< soft limit
    std::uint64_t resident_bytes = 0;
};

/// Reads proc(5), getrusage(2) and getrlimit(2). A value that cannot be read stays zero. Any thread.
[[nodiscard]] ProcessStatus read_process_status();

}  // namespace holdfast
