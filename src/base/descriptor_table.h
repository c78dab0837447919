#pragma once

#include <cstddef>

namespace holdfast {

/// Grows the process's table of descriptors at once so far that `count` fit, or as far as RLIMIT_NOFILE allows. The
/// kernel doubles it as needed, and in a process with several threads each doubling waits for every core (fs/file.c,
/// expand_fdtable: synchronize_rcu), about 10 ms in the middle of accepting. 8 bytes a descriptor. `any` is an open
/// descriptor.
void grow_descriptor_table(int any, std::size_t count) noexcept;

/// The table's places, used or not: no descriptor has a number beyond (proc(5), FDSize). Any thread.
[[nodiscard]] std::size_t descriptor_table_size();

}  // namespace holdfast
