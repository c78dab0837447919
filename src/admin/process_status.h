#pragma once

#include <cstdint>

namespace holdfast {

/// This process as the kernel sees it, under the names that Prometheus clients give these.
struct ProcessStatus {
    double start_time_s = 0;  ///< since 1970
    double cpu_s = 0;         ///< user and system, all threads
    std::uint64_t open_fds = 0;
    std::uint64_t max_fds = 0;  ///< the soft limit
    std::uint64_t resident_bytes = 0;
};

/// Asks proc(5), getrusage(2) and getrlimit(2); what cannot be read stays zero. Any thread.
[[nodiscard]] ProcessStatus read_process_status();

}  // namespace holdfast
