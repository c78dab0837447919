#include "codec/number_grammar.h"

#include <algorithm>

namespace holdfast {

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
        std::fill(from, to, ' ');
        *from = '0';
        at = static_cast<std::size_t>(to - json.begin());
    }
    return true;
}

}  // namespace holdfast
