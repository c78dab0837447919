#include "codec/json_scan.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "codec/block_masks.h"

// Scans 64 bytes at a time as bit masks, like simdjson's first stage (Langdale, Lemire: "Parsing Gigabytes of JSON per
// Second"). A loop over bytes costs 4.5 ns per byte in dense text, mostly for mispredicted branches.
namespace holdfast {
namespace {

/// Effect of one block on the state of a scan.
struct Step {
    std::size_t complete = block_size;  ///< bracket that ends the object; block_size: none
    std::size_t wrong = block_size;     ///< first byte that is not allowed; block_size: none
};

std::uint64_t bit(std::size_t index) { return std::uint64_t{1} << index; }

std::size_t lowest(std::uint64_t bits) { return static_cast<std::size_t>(std::countr_zero(bits)); }

// Returns the bytes after a backslash that is not itself escaped. `carry` is the state across blocks of `size` bytes.
std::uint64_t escaped_bytes(std::uint64_t backslashes, bool carry, std::size_t size, bool& carry_out) {
    std::uint64_t escaped = carry ? 1 : 0;
    carry_out = false;
    for (std::uint64_t rest = backslashes & ~escaped; rest != 0;) {
        const std::size_t at = lowest(rest);
        rest &= ~(std::uint64_t{3} << at);
        if (at + 1 < block_size) escaped |= bit(at + 1);
        carry_out = at + 1 == size;
    }
    return escaped;
}

// Returns, for each bit, the parity of that bit and those below.
std::uint64_t prefix_xor(std::uint64_t bits) {
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
}

// Returns the first non-blank byte after each value. An addition carries over ones as the search passes over blanks.
std::uint64_t behind_values(std::uint64_t values, std::uint64_t blank, bool carry, bool& carry_out) {
    const std::uint64_t behind = values << 1 | (carry ? 1U : 0U);
    const std::uint64_t carried = blank + (behind & blank);
    carry_out = carried < blank || values >> 63 != 0;
    return (behind | carried) & ~blank;
}

// Returns the bracket below `end` that closes the outermost, or block_size. Updates the depth in `scan`.
std::size_t count_brackets(std::uint64_t open, std::uint64_t close, std::size_t end, FrameScan& scan) {
    std::uint64_t brackets = open | close;
    if (end < block_size) brackets &= bit(end) - 1;
    for (; brackets != 0; brackets &= brackets - 1) {
        const std::size_t at = lowest(brackets);
        if ((open & bit(at)) != 0) {
            ++scan.depth;
        } else if (--scan.depth == 0) {
            return at;
        }
    }
    return block_size;
}

// `size`: number of real bytes in the block; the rest are spaces.
Step step(const char* block, std::size_t size, FrameScan& scan) {
    const BlockMasks masks = masks_of(block);
    bool escaped = false;
    bool after_value = false;
    const std::uint64_t quotes = masks.quote & ~escaped_bytes(masks.backslash, scan.escaped, size, escaped);
    // From each opening quote to the byte before the closing one.
    const std::uint64_t strings = prefix_xor(quotes) ^ (scan.in_string ? ~std::uint64_t{0} : 0);
    const std::uint64_t open = masks.open & ~strings;
    const std::uint64_t close = masks.close & ~strings;
    const std::uint64_t blank = masks.blank & ~strings;
    const std::uint64_t values = ~(strings | blank | masks.separator | open);
    const std::uint64_t starts = open | (quotes & strings);
    const std::uint64_t wrong = (masks.control & strings) | (masks.backslash & ~strings) |
                                (starts & behind_values(values, blank, scan.after_value, after_value));
    Step result;
    result.wrong = lowest(wrong);
    result.complete = count_brackets(open, close, result.wrong, scan);
    scan.in_string = strings >> 63 != 0;
    scan.escaped = escaped;
    scan.after_value = after_value;
    return result;
}

bool starts_its_line(std::span<const char> window, std::size_t at, std::size_t look_back) {
    for (; at > 0 && look_back > 0 && is_json_space(window[at - 1]); --look_back) {
        if (window[--at] == '\n') return true;
    }
    return false;
}

// The result for a dropped item must not depend on the windows, of which only the last block stays.
ObjectScan refused(std::span<const char> window, std::size_t at, bool is_dropped) {
    const std::size_t look_back = is_dropped ? block_size : window.size();
    const bool restarted = at > 0 && window[at] == '{' && starts_its_line(window, at, look_back);
    return {restarted ? ObjectScan::Outcome::restarted : ObjectScan::Outcome::malformed, at};
}

}  // namespace

ObjectScan scan_value(std::span<const char> window, FrameScan& scan, std::size_t max_bytes) noexcept {
    const std::size_t end = std::min(window.size(), max_bytes);
    std::size_t at = scan.scanned;
    while (at < end) {
        const std::size_t size = std::min(end - at, block_size);
        std::array<char, block_size> tail;
        const char* block = window.data() + at;
        if (size < block_size) {
            tail.fill(' ');
            block = static_cast<const char*>(std::memcpy(tail.data(), block, size));
        }
        const Step found = step(block, size, scan);
        if (found.complete < block_size) return {ObjectScan::Outcome::complete, at + found.complete + 1};
        if (found.wrong < block_size) return refused(window, at + found.wrong, scan.drops);
        at += size;
    }
    scan.set_scanned(end);
    return {ObjectScan::Outcome::unfinished, end};
}

namespace {

constexpr bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }

constexpr bool in_number(char byte) {
    return is_digit(byte) || byte == '-' || byte == '+' || byte == '.' || byte == 'e' || byte == 'E';
}

bool take_digits(std::string_view& text) {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count > 0;
}

bool take_one_of(std::string_view& text, std::string_view choices) {
    if (text.empty() || choices.find(text[0]) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
}

// number = [ "-" ] ( "0" / digit1-9 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT ]
bool is_number(std::string_view text) {
    take_one_of(text, "-");
    if (!take_one_of(text, "0") && !take_digits(text)) return false;
    if (take_one_of(text, ".") && !take_digits(text)) return false;
    if (take_one_of(text, "eE")) {
        take_one_of(text, "-+");
        if (!take_digits(text)) return false;
    }
    return text.empty();
}

bool fits_integer(std::string_view number) {
    const auto fits = [number](auto value) {
        const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
        return error == std::errc{} && end == number.data() + number.size();
    };
    return fits(std::int64_t{}) || fits(std::uint64_t{});
}

constexpr std::string_view unfit = "0.0";  // in place of other numbers, none of which is shorter

// Returns the code unit of the escape \uXXXX at json[at], or nullopt if there is none.
std::optional<unsigned> escaped_unit(std::string_view json, std::size_t at) {
    const std::string_view escape = json.substr(std::min(at, json.size()), 6);
    if (escape.size() < 6 || !escape.starts_with("\\u")) return std::nullopt;
    unsigned unit = 0;
    const auto [end, error] = std::from_chars(escape.data() + 2, escape.data() + 6, unit, 16);
    return error == std::errc{} && end == escape.data() + 6 ? std::optional(unit) : std::nullopt;
}

bool is_high(unsigned unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low(unsigned unit) { return unit >= 0xdc00 && unit < 0xe000; }

// Returns the position after the string that starts at json[at], or the end of the text if the string is unterminated.
std::size_t skip_string(std::string_view json, std::size_t at) {
    for (++at; at < json.size() && json[at] != '"'; ++at) {
        if (json[at] == '\\') ++at;
    }
    return std::min(at + 1, json.size());
}

}  // namespace

std::size_t nesting_depth(std::string_view json) noexcept {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    for (std::size_t at = 0; at < json.size();) {
        if (json[at] == '"') {
            at = skip_string(json, at);
            continue;
        }
        if (json[at] == '{' || json[at] == '[') deepest = std::max(deepest, ++depth);
        if ((json[at] == '}' || json[at] == ']') && depth > 0) --depth;
        ++at;
    }
    return deepest;
}

bool shrink_numbers(std::string& json) noexcept {
    for (std::size_t at = 0; at < json.size();) {
        if (json[at] == '"') {
            at = skip_string(json, at);
            continue;
        }
        // A number is recognized by its first byte: the e of true belongs to its word, which a parser judges.
        if (json[at] != '-' && !is_digit(json[at])) {
            ++at;
            continue;
        }
        const auto from = json.begin() + static_cast<std::ptrdiff_t>(at);
        const auto to = std::find_if_not(from, json.end(), in_number);
        if (!is_number({from, to})) return false;
        if (!fits_integer({from, to})) {
            std::fill(from, to, ' ');
            std::copy(unfit.begin(), unfit.end(), from);
        }
        at = static_cast<std::size_t>(to - json.begin());
    }
    return true;
}

bool replace_lone_surrogates(std::string& json) noexcept {
    constexpr std::string_view replacement = "\\ufffd";
    bool found = false;
    for (std::size_t at = 0; (at = json.find('\\', at)) != std::string::npos;) {
        const auto unit = escaped_unit(json, at);
        if (!unit) {
            at += 2;
            continue;
        }
        const auto following = is_high(*unit) ? escaped_unit(json, at + replacement.size()) : std::nullopt;
        const bool is_pair = following && is_low(*following);
        if (!is_pair && (is_high(*unit) || is_low(*unit))) {
            std::copy(replacement.begin(), replacement.end(), json.begin() + static_cast<std::ptrdiff_t>(at));
            found = true;
        }
        at += is_pair ? 2 * replacement.size() : replacement.size();
    }
    return found;
}

namespace {

std::size_t end_of_value(std::string_view json) {
    FrameScan scan;
    switch (json[0]) {
        case '{':
        case '[':
            return scan_value(json, scan, json.size()).at;
        case '"':
            return skip_string(json, 0);
        default:
            return std::min(json.find_first_of(", \t\r\n]"), json.size());
    }
}

}  // namespace

std::optional<std::string_view> next_element(std::string_view& rest) noexcept {
    rest.remove_prefix(skip_json_space(rest, 0));
    take_one_of(rest, "[,");
    rest.remove_prefix(skip_json_space(rest, 0));
    if (rest.empty() || rest[0] == ']') return std::nullopt;
    const std::string_view element = rest.substr(0, end_of_value(rest));
    rest.remove_prefix(element.size());
    return element;
}

}  // namespace holdfast
