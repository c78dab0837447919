#include "text/token_lines.h"

#include <algorithm>
#include <utility>

#include "text/hex.h"

namespace holdfast {

TokenWriter& TokenWriter::word(std::string_view word) {
    if (!out_.empty() && out_.back() != '\n') out_ += ' ';
    out_ += word;
    return *this;
}

TokenWriter& TokenWriter::text(std::string_view text) {
    std::string token = "=";
    for (const char byte : text) {
        if (byte > ' ' && byte < '\x7f' && byte != '%') {
            token += byte;
        } else {
            token += '%';
            append_hex(token, static_cast<unsigned char>(byte));
        }
    }
    return word(token);
}

bool TokenReader::next_line() {
    if (rest_.empty()) return false;
    line_ = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(rest_.size(), line_.size() + 1));
    return true;
}

std::string_view TokenReader::word() {
    if (line_.empty()) ok = false;
    if (!ok) return {};
    const std::string_view token = line_.substr(0, line_.find(' '));
    line_.remove_prefix(std::min(line_.size(), token.size() + 1));
    return token;
}

std::chrono::milliseconds TokenReader::milliseconds() {
    constexpr std::int64_t max = 253'402'300'799'000;  // in the year 9999
    const auto count = number<std::int64_t>();
    ok = ok && count >= 0 && count <= max;
    return std::chrono::milliseconds(ok ? count : 0);
}

std::string TokenReader::text() {
    std::string_view token = word();
    ok = ok && token.starts_with('=');
    std::string out;
    for (std::size_t at = 1; ok && at < token.size(); ++at) {
        if (token[at] != '%') {
            out += token[at];
            continue;
        }
        const auto high = at + 2 < token.size() ? hex_value(token[at + 1]) : std::nullopt;
        const auto low = high ? hex_value(token[at + 2]) : std::nullopt;
        ok = low.has_value();
        if (ok) out += static_cast<char>(*high * 16 + *low);
        at += 2;
    }
    return ok ? out : std::string();
}

}  // namespace holdfast
