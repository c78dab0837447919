#include "admin/request_head.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "base/printable.h"

namespace holdfast {
namespace {

using Fault = std::optional<ApiAnswer>;

constexpr std::array<std::string_view, 7> methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
/// Twice the same header is one too many where it decides something.
constexpr std::array<std::string_view, 5> at_most_once{"Host", "Content-Length", "Authorization", "Origin",
                                                       "Sec-Fetch-Site"};

ApiAnswer malformed(std::string_view what) {
    return Api::error(400, "bad_request", "this is not an HTTP/1.1 request as taken here: " + std::string(what));
}

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool is_token(std::string_view text) {
    constexpr std::string_view characters =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

std::string_view trimmed(std::string_view text) {
    const std::size_t first = std::min(text.find_first_not_of(" \t"), text.size());
    const std::size_t last = text.find_last_not_of(" \t");
    return last == std::string_view::npos ? std::string_view() : text.substr(first, last - first + 1);
}

/// Whether a path has a segment that another server would resolve: "." or "..", however it is written.
bool has_dot_segment(std::string_view path) {
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::string_view segment = path.substr(0, path.find('/'));
        path.remove_prefix(segment.size());
        std::string plain;
        for (std::size_t i = 0; i < segment.size(); ++i) {
            const bool dot = segment[i] == '%' && (segment.substr(i, 3) == "%2e" || segment.substr(i, 3) == "%2E");
            plain += dot ? '.' : segment[i];
            if (dot) i += 2;
        }
        if (plain == "." || plain == "..") return true;
    }
    return false;
}

Fault check_target(std::string_view target) {
    if (target.size() > max_target_bytes) return Api::error(414, "uri_too_long", "the request's target is too long");
    if (!target.starts_with('/')) return malformed("its target does not begin with /");
    const auto visible = [](char c) { return c > 0x20 && c < 0x7f && c != '#' && c != '\\'; };
    if (!std::all_of(target.begin(), target.end(), visible))
        return malformed("its target has a character that must be percent-encoded");
    if (has_dot_segment(target.substr(0, target.find('?')))) return malformed("its path has a . or .. in it");
    return std::nullopt;
}

/// The method, the target and the version, with one space between them. `modern` is set by HTTP/1.1.
Fault read_first_line(std::string_view line, RequestHead& head, bool& modern) {
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    if (first == std::string_view::npos || first == last)
        return malformed("its first line is not METHOD TARGET VERSION");
    head.method = line.substr(0, first);
    head.target = line.substr(first + 1, last - first - 1);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(head.method)) return malformed("its first line does not begin with a method");
    if (head.target.find(' ') != std::string_view::npos) return malformed("its first line has too many spaces");
    modern = version == "HTTP/1.1";
    if (!modern && version != "HTTP/1.0") return malformed("its version is neither HTTP/1.1 nor HTTP/1.0");
    if (auto fault = check_target(head.target)) return fault;
    if (std::find(methods.begin(), methods.end(), head.method) != methods.end()) return std::nullopt;
    ApiAnswer refusal =
        Api::error(405, "method_not_allowed", in_quotes(head.method) + " is not taken: use GET, HEAD, POST or DELETE");
    refusal.headers.emplace_back("Allow", "GET, HEAD, POST, DELETE");
    return refusal;
}

Fault read_header(std::string_view line, RequestHead& head) {
    if (line.front() == ' ' || line.front() == '\t') return malformed("a header goes on in a second line");
    if (line.size() > max_header_bytes) return Api::error(431, "too_many_headers", "a header is longer than 8KiB");
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return malformed("a header has no colon");
    const std::string_view name = line.substr(0, colon);
    if (!is_token(name)) return malformed("a header's name is not one");
    head.headers.emplace_back(name, trimmed(line.substr(colon + 1)));
    if (head.headers.size() <= max_headers) return std::nullopt;
    return Api::error(431, "too_many_headers", "there are more than " + std::to_string(max_headers) + " headers");
}

Fault read_length(RequestHead& head) {
    if (head.count("Transfer-Encoding") > 0) {
        if (head.count("Content-Length") > 0) return malformed("it has a Content-Length and a Transfer-Encoding");
        return Api::error(411, "length_required", "a body needs a Content-Length; Transfer-Encoding is not taken");
    }
    if (head.count("Content-Length") == 0) return std::nullopt;
    const std::string_view text = head.value("Content-Length");
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), head.body_bytes);
    const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits || error != std::errc{}) return malformed("its Content-Length is not a number");
    return std::nullopt;
}

Fault read_lines(std::string_view bytes, RequestHead& head) {
    bool modern = false;
    for (bool first = true;; first = false) {
        const std::size_t end = bytes.find("\r\n");
        if (end == std::string_view::npos) return malformed("it ends within a line");
        const std::string_view line = bytes.substr(0, end);
        bytes.remove_prefix(end + 2);
        if (std::any_of(line.begin(), line.end(), is_control))
            return malformed("it has a control character, or a line that does not end with CR LF");
        if (line.empty() && !first) break;
        if (auto fault = first ? read_first_line(line, head, modern) : read_header(line, head)) return fault;
    }
    if (!bytes.empty()) return malformed("it goes on behind its end");
    if (modern && head.count("Host") == 0) return malformed("it has no Host header");
    for (const std::string_view name : at_most_once) {
        if (head.count(name) > 1) return malformed("it has more than one " + std::string(name) + " header");
    }
    return read_length(head);
}

}  // namespace

std::string_view RequestHead::value(std::string_view name) const {
    for (const auto& [key, text] : headers) {
        if (same_name(key, name)) return text;
    }
    return {};
}

std::size_t RequestHead::count(std::string_view name) const {
    const auto named = [name](const auto& header) { return same_name(header.first, name); };
    return static_cast<std::size_t>(std::count_if(headers.begin(), headers.end(), named));
}

std::variant<RequestHead, ApiAnswer> read_request_head(std::string_view bytes) {
    RequestHead head;
    if (auto fault = read_lines(bytes, head)) return std::move(*fault);
    return head;
}

}  // namespace holdfast
