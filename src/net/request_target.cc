#include "net/request_target.h"

#include <algorithm>
#include <optional>

#include "text/printable.h"

namespace holdfast {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            out.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        } else {
            out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
        }
    }
    return out;
}

/// Removes and returns the text before the next `separator`.
std::string_view take_until(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

Error bad_percent(std::string_view part) {
    return Error{in_quotes(part) + " is not percent-encoded as RFC 3986 says: write % as %25"};
}

}  // namespace

Result<RequestTarget> parse_request_target(std::string_view text) {
    if (!text.starts_with('/')) return Error{in_quotes(text) + " is not a path: begin it with /"};
    RequestTarget target;
    std::string_view query = text;
    std::string_view path = take_until(query, '?');
    path.remove_prefix(1);
    while (!path.empty()) {
        const std::string_view part = take_until(path, '/');
        auto segment = percent_decode(part, false);
        if (!segment) return bad_percent(part);
        target.segments.push_back(std::move(*segment));
    }
    while (!query.empty()) {
        const std::string_view part = take_until(query, '&');
        if (part.empty()) continue;
        std::string_view value = part;
        auto name = percent_decode(take_until(value, '='), true);
        auto content = percent_decode(value, true);
        if (!name || !content) return bad_percent(part);
        target.query.emplace_back(std::move(*name), std::move(*content));
    }
    return target;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    constexpr std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string out;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos) {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.push_back('%');
        out.push_back(digits[byte >> 4]);
        out.push_back(digits[byte & 15]);
    }
    return out;
}

QueryTarget& QueryTarget::with(std::string_view name, std::string_view value) {
    if (value.empty()) return *this;
    text_ += text_.find('?') == std::string::npos ? '?' : '&';
    text_ += name;
    text_ += '=';
    text_ += percent_encode(value);
    return *this;
}

}  // namespace holdfast
