#include "net/http_url.h"

#include <algorithm>
#include <charconv>

#include <holdfast/endpoint.h>

#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::size_t longest_url = 2'000;
constexpr std::size_t longest_name = 253;  // RFC 1035, 2.3.4

Error wrong(std::string_view text, std::string_view what) {
    return Error{in_quotes(without_secrets_of_http(text)) + " " + std::string(what) +
                 "; write e.g. http://127.0.0.1:9000/alarms"};
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
}

bool is_host(std::string_view host) {
    return !host.empty() && host.size() <= longest_name && std::all_of(host.begin(), host.end(), is_name_character);
}

/// Removes "https://" or "http://" from the start of `text`.
bool take_scheme(std::string_view& text, bool& tls) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!text.starts_with(scheme)) continue;
        text.remove_prefix(scheme.size());
        tls = scheme.size() == 8;
        return true;
    }
    return false;
}

/// Removes a port such as ":9000" from the end of `host`, if there is one. Returns false if the text after the colon is
/// no port.
bool take_port(std::string_view& host, std::uint16_t& port) {
    const std::size_t colon = host.rfind(':');
    if (colon == std::string_view::npos || host.ends_with(']')) return true;
    const std::string_view digits = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    host = host.substr(0, colon);
    return error == std::errc{} && end == digits.data() + digits.size() && port > 0;
}

}  // namespace

std::string HttpUrl::authority() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HttpUrl> parse_http_url(std::string_view text) {
    HttpUrl url;
    std::string_view rest = text;
    if (!take_scheme(rest, url.tls)) return wrong(text, "does not start with http:// or https://");
    if (text.size() > longest_url) return wrong(text, "is longer than 2000 bytes");
    const auto is_bad = [](char c) { return c <= ' ' || c > '~' || c == '#' || c == '\\' || c == '"'; };
    if (std::any_of(rest.begin(), rest.end(), is_bad)) {
        return wrong(text, "holds a character that no URL to post to has (encode it as %XX)");
    }
    const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view host = rest.substr(0, slash);
    url.target = rest.substr(slash);
    if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
    if (host.find('@') != std::string_view::npos)
        return wrong(text, "holds a name or password, which is not supported");
    url.port = url.tls ? 443 : 80;
    if (!take_port(host, url.port)) return wrong(text, "has no port from 1 to 65535 after the colon");
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        if (!parse_ip_address(host)) return wrong(text, "has no IPv6 address between its brackets");
    } else if (!is_host(host)) {
        return wrong(text, "names no host");
    }
    url.host = host;
    return url;
}

std::string without_secrets_of_http(std::string_view text) {
    std::string_view rest = text;
    bool tls = false;
    if (text.empty() || !take_scheme(rest, tls)) return text.empty() ? "" : "***";
    // A name and password may contain any character, including "/".
    if (rest.find('@') != std::string_view::npos) return std::string(text.substr(0, text.size() - rest.size())) + "***";
    const std::size_t end = std::min(rest.find_first_of("/?#\\ "), rest.size());
    const std::string_view shown = text.substr(0, text.size() - rest.size() + end);
    const std::string_view secret = rest.substr(end);
    return std::string(shown) + (secret.empty() || secret == "/" ? std::string(secret) : "/***");
}

std::optional<std::string> check_webhook_url(std::string_view text) {
    if (text.empty()) return std::nullopt;
    const auto url = parse_http_url(text);
    return url ? std::nullopt : std::optional(url.error().message);
}

}  // namespace holdfast
