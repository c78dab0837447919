#include "text/printable.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

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

struct CodeRange {
    char32_t first;
    char32_t last;
};

// Unicode 15: the categories Cc, Cf, Zl and Zp, the variation selectors, and letters without a glyph. In order.
constexpr CodeRange unsafe_ranges[]{
    {0x0000, 0x001f},                        // C0
    {0x007f, 0x009f},                        // DEL, C1
    {0x00ad, 0x00ad},                        // soft hyphen
    {0x034f, 0x034f},                        // grapheme joiner
    {0x0600, 0x0605},                        // Arabic number signs
    {0x061c, 0x061c},                        // Arabic letter mark
    {0x06dd, 0x06dd},                        // end of ayah
    {0x070f, 0x070f},                        // Syriac abbreviation
    {0x0890, 0x0891},                        // Arabic pound and piastre marks
    {0x08e2, 0x08e2},                        // disputed end of ayah
    {0x115f, 0x1160},                        // Hangul fillers
    {0x17b4, 0x17b5},                        // Khmer inherent vowels
    {0x180b, 0x180f},                        // Mongolian selectors
    {0x200b, 0x200f},                        // zero-width characters, marks of direction
    {0x2028, 0x202e},                        // separators of lines, embeddings and overrides of direction
    {0x2060, 0x206f},                        // word joiner, isolates of direction
    {0x3164, 0x3164},                        // Hangul filler
    {0xfe00, 0xfe0f},                        // variation selectors
    {0xfeff, 0xfeff},                        // byte order mark
    {0xffa0, 0xffa0},                        // half-width Hangul filler
    {0xfff0, 0xfffb},                        // specials without a glyph
    {0x110bd, 0x110bd},                      // Kaithi number sign
    {0x110cd, 0x110cd}, {0x13430, 0x1343f},  // Egyptian joiners
    {0x1bca0, 0x1bca3},                      // shorthand controls
    {0x1d173, 0x1d17a},                      // musical beams
    {0xe0000, 0xe0fff},                      // tags, variation selectors
};

void append_byte(std::string& out, unsigned char byte) {
    out += "\\x";
    append_hex(out, byte);
}

void append_unsafe(std::string& out, char32_t point) {
    if (point == '\n') {
        out += "\\n";
    } else if (point == '\t') {
        out += "\\t";
    } else if (point < 0x100) {
        append_byte(out, static_cast<unsigned char>(point));
    } else if (point < 0x10000) {
        out += "\\u" + to_hex(static_cast<std::uint16_t>(point));
    } else {
        out += "\\U" + to_hex(static_cast<std::uint32_t>(point));
    }
}

/// Calls `on_text` for each run of safe code points, `on_unsafe` for each other one, and `on_byte` for each byte that
/// is not UTF-8.
template <typename OnText, typename OnUnsafe, typename OnByte>
void split(std::string_view text, OnText on_text, OnUnsafe on_unsafe, OnByte on_byte) {
    while (!text.empty()) {
        const CodePoint point = next_code_point(text);
        if (point.size == 0) {
            on_byte(static_cast<unsigned char>(text[0]));
        } else if (is_unsafe(point.value)) {
            on_unsafe(point.value);
        } else {
            on_text(text.substr(0, point.size));
        }
        text.remove_prefix(std::max<std::size_t>(point.size, 1));
    }
}

void append_json_unit(std::string& out, char32_t unit) { out += "\\u" + to_hex(static_cast<std::uint16_t>(unit)); }

}  // namespace

bool is_unsafe(char32_t point) noexcept {
    if (point >= 0x20 && point < 0x7f) return false;
    const auto* range = std::lower_bound(std::begin(unsafe_ranges), std::end(unsafe_ranges), point,
                                         [](const CodeRange& one, char32_t value) { return one.last < value; });
    return range != std::end(unsafe_ranges) && range->first <= point;
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    split(
        text, [&out](std::string_view safe) { safe == "\\" ? out += "\\\\" : out += safe; },
        [&out](char32_t point) { append_unsafe(out, point); }, [&out](unsigned char byte) { append_byte(out, byte); });
    return out;
}

std::string printable_lines(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const auto append_line = [&out](std::string_view line) {
        split(
            line, [&out](std::string_view safe) { out += safe; },
            [&out](char32_t point) { point == '\t' ? out.push_back('\t') : append_unsafe(out, point); },
            [&out](unsigned char byte) { append_byte(out, byte); });
    };
    for (;;) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        const bool has_return = end != std::string_view::npos && line.ends_with('\r');
        if (has_return) line.remove_suffix(1);
        append_line(line);
        if (end == std::string_view::npos) return out;
        out += has_return ? "\r\n" : "\n";
        text.remove_prefix(end + 1);
    }
}

void append_json_unsafe(std::string& out, char32_t point) {
    if (point < 0x10000) return append_json_unit(out, point);
    append_json_unit(out, 0xd800 + ((point - 0x10000) >> 10));
    append_json_unit(out, 0xdc00 + ((point - 0x10000) & 0x3ff));
}

std::string printable_json(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    split(
        json, [&out](std::string_view safe) { out += safe; },
        [&out](char32_t point) {
            const bool is_space = point == '\n' || point == '\r' || point == '\t';
            is_space ? out.push_back(point == '\r' ? ' ' : static_cast<char>(point)) : append_json_unsafe(out, point);
        },
        [&out](unsigned char) { out += "\xEF\xBF\xBD"; });
    return out;
}

std::string printable_bytes(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        const CodePoint point = next_code_point(bytes);
        const std::string_view here = bytes.substr(0, std::max<std::size_t>(point.size, 1));
        if (point.size <= 1 || !is_unsafe(point.value)) {
            out += printable(here);
        } else {
            for (const char byte : here) append_byte(out, static_cast<unsigned char>(byte));
        }
        bytes.remove_prefix(here.size());
    }
    return out;
}

std::string printable_again(std::string_view text) {
    std::string out;
    while (true) {
        const std::size_t at = text.find('\\');
        out += printable(text.substr(0, at));
        if (at == std::string_view::npos) return out;
        out += '\\';
        text.remove_prefix(at + 1);
    }
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
