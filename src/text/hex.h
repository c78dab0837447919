#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace holdfast {

inline constexpr std::string_view hex_digits = "0123456789abcdef";
inline constexpr std::string_view upper_hex_digits = "0123456789ABCDEF";

// All functions here are pure.

/// Returns the value of a digit of the case of `digits`, or nullopt for another character.
[[nodiscard]] inline std::optional<std::uint8_t> hex_value(char digit, std::string_view digits = hex_digits) noexcept {
    if (digit >= '0' && digit <= '9') return static_cast<std::uint8_t>(digit - '0');
    if (digit >= digits[10] && digit <= digits[15]) return static_cast<std::uint8_t>(digit - digits[10] + 10);
    return std::nullopt;
}

/// Appends the two digits of a byte.
inline void append_hex(std::string& out, unsigned char byte, std::string_view digits = hex_digits) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
}

/// Returns two lower-case digits for each byte.
[[nodiscard]] inline std::string to_hex(std::span<const std::uint8_t> bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes) append_hex(out, byte);
    return out;
}

/// Returns all lower-case digits of a number, with leading zeros: "0000001f" for a 32-bit 31.
template <std::unsigned_integral Number>
[[nodiscard]] std::string to_hex(Number number) {
    std::string out;
    for (int shift = 8 * static_cast<int>(sizeof number) - 8; shift >= 0; shift -= 8) {
        append_hex(out, static_cast<unsigned char>(number >> shift & 0xff));
    }
    return out;
}

/// Parses digits of either case without a sign or "0x". Returns nullopt for anything else, or a number that is too
/// large.
template <std::unsigned_integral Number>
[[nodiscard]] std::optional<Number> parse_hex(std::string_view text) noexcept {
    Number value{};
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value, 16);
    return error == std::errc{} && rest == end ? std::optional(value) : std::nullopt;
}

}  // namespace holdfast
