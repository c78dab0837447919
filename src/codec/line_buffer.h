#pragma once

#include <bit>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "text/hex.h"

namespace holdfast {

/// Writes at the end of a string through a pointer. One growth serves a whole line, where each append would check the
/// capacity and terminate the string again. Refers to the string, and cuts it to the written size on destruction.
class LineBuffer {
public:
    /// Reserves room at the end of `out` for at most `max` bytes. Throws std::bad_alloc.
    LineBuffer(std::string& out, std::size_t max) : out_(out) {
        const std::size_t from = out.size();
        out.resize(from + max);
        at_ = out.data() + from;
    }
    LineBuffer(const LineBuffer&) = delete;
    LineBuffer& operator=(const LineBuffer&) = delete;
    ~LineBuffer() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }

    /// Appends a literal, which compiles to a few moves.
    template <std::size_t size>
    void literal(const char (&text)[size]) noexcept {
        std::memcpy(at_, text, size - 1);
        at_ += size - 1;
    }
    void text(std::string_view text) noexcept { at_ += text.copy(at_, text.size()); }
    void decimal(std::unsigned_integral auto number) noexcept {
        at_ = std::to_chars(at_, at_ + max_decimal, number).ptr;
    }
    void hexadecimal(std::uint64_t number) noexcept {
        const int digits = (static_cast<int>(std::bit_width(number | 1)) + 3) / 4;
        for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) *at_++ = hex_digits[number >> shift & 15];
    }
    /// Returns the write pointer. The caller may write within the remaining `max` bytes, and passes the new end to
    /// `to`.
    [[nodiscard]] char* here() const noexcept { return at_; }
    void to(char* at) noexcept { at_ = at; }

    static constexpr std::size_t max_decimal = 20;
    static constexpr std::size_t max_hexadecimal = 16;

private:
    std::string& out_;
    char* at_;
};

}  // namespace holdfast
