#include "forward/token.h"

namespace holdfast {
namespace {

constexpr char digits[] = "0123456789ABCDEF";

bool stands_for_itself(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/// Returns the value of an upper-case hexadecimal digit, or -1.
int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::string to_token(std::string_view text) {
    if (text.empty()) return "=";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (stands_for_itself(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '=';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::optional<std::string> from_token(std::string_view token) {
    if (token == "=") return "";
    if (token.empty()) return std::nullopt;
    std::string out;
    for (std::size_t i = 0; i < token.size(); ++i) {
        if (stands_for_itself(token[i])) {
            out += token[i];
            continue;
        }
        if (token[i] != '=' || token.size() - i < 3) return std::nullopt;
        const int high = digit_value(token[i + 1]);
        const int low = digit_value(token[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        const char c = static_cast<char>(high * 16 + low);
        if (stands_for_itself(c)) return std::nullopt;  // to_token leaves such characters unchanged
        out += c;
        i += 2;
    }
    return out;
}

}  // namespace holdfast
