#include "text/printable.h"

#include <algorithm>
#include <cstddef>

#include "text/hex.h"

namespace holdfast {
namespace {

struct Lead {
    std::size_t size;
    char32_t bits;
    char32_t min;  // a smaller value in this many bytes is overlong
};

Lead lead_of(unsigned char byte) noexcept {
    if (byte < 0x80) return {1, byte, 0};
    if (byte < 0xC0) return {0, 0, 0};
    if (byte < 0xE0) return {2, byte & 0x1FU, 0x80};
    if (byte < 0xF0) return {3, byte & 0x0FU, 0x800};
    if (byte < 0xF8) return {4, byte & 0x07U, 0x10000};
    return {0, 0, 0};
}

}  // namespace

CodePoint next_code_point(std::string_view text) noexcept {
    const Lead lead = lead_of(static_cast<unsigned char>(text[0]));
    if (lead.size == 0 || lead.size > text.size()) return {};
    char32_t value = lead.bits;
    for (std::size_t i = 1; i < lead.size; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xC0) != 0x80) return {};
        value = (value << 6) | (byte & 0x3FU);
    }
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value < lead.min || value > 0x10FFFF || surrogate) return {};
    return {value, lead.size};
}

namespace {

void append_code(std::string& out, unsigned char byte) {
    out += "\\x";
    append_hex(out, byte);
}

/// Returns true for U+0080 to U+009F in UTF-8: terminals interpret some of them as the start of a command.
bool is_c1(std::string_view text, std::size_t at) {
    if (at + 1 >= text.size() || static_cast<unsigned char>(text[at]) != 0xc2) return false;
    const auto next = static_cast<unsigned char>(text[at + 1]);
    return next >= 0x80 && next <= 0x9f;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if (byte == '\n') {
            out += "\\n";
        } else if (byte == '\t') {
            out += "\\t";
        } else if (byte == '\\') {
            out += "\\\\";
        } else if (byte < 0x20 || byte == 0x7f) {
            append_code(out, byte);
        } else if (is_c1(text, i)) {
            append_code(out, static_cast<unsigned char>(text[++i]));
        } else {
            out += text[i];
        }
    }
    return out;
}

bool is_name(std::string_view text) noexcept {
    constexpr std::string_view characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    return !text.empty() && text.size() <= 64 && text.find_first_not_of(characters) == std::string_view::npos;
}

std::string in_quotes(std::string_view text, std::size_t longest) {
    std::size_t end = text.size();
    if (end > longest) {
        end = longest;
        // Does not cut a UTF-8 sequence.
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    }
    std::string out = "\"";
    for (const char c : printable(text.substr(0, end))) {
        if (c == '"') out += '\\';
        out += c;
    }
    out += '"';
    return end < text.size() ? out + "..." : out;
}

bool is_device_word(std::string_view text, std::size_t max) noexcept {
    const auto controls = [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f; };
    if (text.empty() || text.size() > max || std::any_of(text.begin(), text.end(), controls)) return false;
    while (!text.empty()) {
        const std::size_t size = next_code_point(text).size;
        if (size == 0) return false;
        text.remove_prefix(size);
    }
    return true;
}

}  // namespace holdfast
