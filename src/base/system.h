#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Calls of the operating system outside the data path, which base/kernel.h has. Any thread.
namespace holdfast {

/// Returns 64 random bits, but never 0. Returns 0 with errno if the kernel has none (getrandom(2)); then a gateway does
/// not start.
[[nodiscard]] std::uint64_t random_bits() noexcept;

/// Returns the id that the kernel draws at each boot, or an empty text if /proc cannot be read.
[[nodiscard]] std::string boot_id();

/// Writes all bytes to a blocking descriptor. Returns false with errno if a write fails; a signal does not end it.
[[nodiscard]] bool write_all(int fd, std::string_view bytes) noexcept;

}  // namespace holdfast
