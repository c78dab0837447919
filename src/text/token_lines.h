#pragma once

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace holdfast {

/// Writes lines of tokens that a blank separates. A token is a number, a word, or a text of any bytes. A value.
class TokenWriter {
public:
    TokenWriter& word(std::string_view word);  ///< without white space
    TokenWriter& text(std::string_view text);
    TokenWriter& number(std::integral auto number) { return word(std::to_string(number)); }
    void end_line() { out_ += '\n'; }
    [[nodiscard]] std::string take() { return std::move(out_); }

private:
    std::string out_;
};

/// Reads such lines; the input may be anything. After the first token that does not fit, `ok` stays false and values
/// are zero or empty. A value; the input must outlive it.
class TokenReader {
public:
    explicit TokenReader(std::string_view input) : rest_(input) {}

    /// Goes to the next line. Returns false at the end.
    [[nodiscard]] bool next_line();
    [[nodiscard]] bool at_line_end() const { return line_.empty(); }
    [[nodiscard]] std::string_view word();
    [[nodiscard]] std::string text();
    /// Reads a duration, or a time since 1970, of at most 8,000 years: their sums are representable.
    [[nodiscard]] std::chrono::milliseconds milliseconds();
    template <std::integral Number>
    [[nodiscard]] Number number() {
        const std::string_view token = word();
        Number value{};
        const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
        if (error == std::errc{} && end == token.data() + token.size() && !token.empty()) return value;
        ok = false;
        return 0;
    }

    bool ok = true;

private:
    std::string_view rest_;
    std::string_view line_;
};

}  // namespace holdfast
