#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// Returns the size of the Base64 text of `size` bytes. Pure.
[[nodiscard]] constexpr std::size_t base64_size(std::size_t size) noexcept { return (size + 2) / 3 * 4; }

/// Writes the bytes in Base64 with padding (RFC 4648, 4) to `out`, and returns its end. One more byte behind it is
/// overwritten with 0. Pure.
char* write_base64(char* out, std::string_view bytes) noexcept;

/// Returns the bytes of a Base64 text with padding, of at most 3 MiB; nullopt if it is none. Pure.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace holdfast
