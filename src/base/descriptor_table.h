#pragma once

#include <cstddef>

namespace holdfast {

/// Grows the process's descriptor table so that `count` descriptors fit, or as far as RLIMIT_NOFILE allows; 8 bytes per
/// descriptor. The kernel doubles the table on demand. In a process with several threads each doubling waits for every
/// core (fs/file.c, expand_fdtable: synchronize_rcu), about 10 ms during accept. `any` is an open descriptor.
void grow_descriptor_table(int any, std::size_t count) noexcept;

/// Returns the size of the table; every descriptor is below it (proc(5), FDSize). Any thread.
[[nodiscard]] std::size_t descriptor_table_size();

}  // namespace holdfast
