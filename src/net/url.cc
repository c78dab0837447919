#include "net/url.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <holdfast/endpoint.h>

#include "text/hex.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::size_t longest_url = 2'000;
constexpr std::size_t longest_name = 253;  // RFC 1035, 2.3.4

Error wrong_http(std::string_view text, std::string_view what) {
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
    if (!take_scheme(rest, url.tls)) return wrong_http(text, "does not start with http:// or https://");
    if (text.size() > longest_url) return wrong_http(text, "is longer than 2000 bytes");
    const auto is_bad = [](char c) { return c <= ' ' || c > '~' || c == '#' || c == '\\' || c == '"'; };
    if (std::any_of(rest.begin(), rest.end(), is_bad)) {
        return wrong_http(text, "contains a character that a URL must encode as %XX");
    }
    const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view host = rest.substr(0, slash);
    url.target = rest.substr(slash);
    if (!url.target.starts_with('/')) url.target.insert(0, 1, '/');
    if (host.find('@') != std::string_view::npos)
        return wrong_http(text, "contains a name or password, which is not supported");
    url.port = url.tls ? 443 : 80;
    if (!take_port(host, url.port)) return wrong_http(text, "has no port from 1 to 65535 after the colon");
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        if (!parse_ip_address(host)) return wrong_http(text, "has no IPv6 address between its brackets");
    } else if (!is_host(host)) {
        return wrong_http(text, "names no host");
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

namespace {

constexpr std::size_t max_servers = 100;

Error wrong_nats(std::string_view text, std::string_view what) {
    return Error{in_quotes(without_secrets(text)) + " " + std::string(what) +
                 "; write e.g. nats://10.0.0.5:4222,nats://10.0.0.6:4222"};
}

std::string_view trimmed(std::string_view text) {
    const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// Removes "user:password@" from the front.
void take_user(std::string_view& rest, NatsUrl& url) {
    const std::size_t at = rest.rfind('@');
    if (at == std::string_view::npos) return;
    const std::string_view user = rest.substr(0, at);
    const std::size_t colon = std::min(user.find(':'), user.size());
    url.user = user.substr(0, colon);
    if (colon < user.size()) url.password = user.substr(colon + 1);
    rest.remove_prefix(at + 1);
}

Result<NatsUrl> parse_one(std::string_view text) {
    NatsUrl url;
    std::string_view rest = text;
    const std::size_t scheme = rest.find("://");
    if (scheme != std::string_view::npos) {
        url.tls = rest.substr(0, scheme) == "tls";
        if (!url.tls && rest.substr(0, scheme) != "nats")
            return wrong_nats(text, "does not start with nats:// or tls://");
        rest.remove_prefix(scheme + 3);
    }
    take_user(rest, url);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (!take_port(rest, url.port)) return wrong_nats(text, "has no port from 1 to 65535 after the colon");
    if (rest.starts_with('[') && rest.ends_with(']')) {
        rest = rest.substr(1, rest.size() - 2);
        if (!parse_ip_address(rest)) return wrong_nats(text, "has no IPv6 address between its brackets");
    } else if (rest.empty() || !std::all_of(rest.begin(), rest.end(), is_name_character)) {
        return wrong_nats(text, "names no host");
    }
    url.host = rest;
    return url;
}

}  // namespace

std::string NatsUrl::shown() const {
    const bool v6 = host.find(':') != std::string::npos;
    return (tls ? "tls://" : "nats://") + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string NatsUrl::whole() const {
    std::string out = shown();
    if (user.empty()) return out;
    const std::string who = password.empty() ? user + "@" : user + ":" + password + "@";
    return out.insert(out.find("//") + 2, who);
}

Result<std::vector<NatsUrl>> parse_nats_urls(std::string_view list) {
    if (std::any_of(list.begin(), list.end(), [](char c) { return c < ' ' || c == '\x7f'; })) {
        return wrong_nats(list, "contains a control character");
    }
    std::vector<NatsUrl> urls;
    while (true) {
        const std::size_t comma = std::min(list.find(','), list.size());
        auto url = parse_one(trimmed(list.substr(0, comma)));
        if (!url) return url.error();
        urls.push_back(std::move(url).value());
        if (urls.size() > max_servers) return Error{"more than 100 NATS servers are named; name at most 100"};
        if (comma == list.size()) return urls;
        list.remove_prefix(comma + 1);
    }
}

std::string without_secrets(std::string_view list) {
    std::string out;
    while (true) {
        const std::size_t at = list.find('@');
        if (at == std::string_view::npos) break;
        // From the first scheme on: a password may contain any character, even a comma or "://".
        const std::size_t scheme = list.find("://");
        if (scheme < at) out += list.substr(0, scheme + 3);
        out += "***@";
        list.remove_prefix(at + 1);
    }
    // NATS URLs have no query, but a token written into one must not reach a log.
    const std::size_t query = list.find('?');
    return out.append(list.substr(0, query)).append(query == std::string_view::npos ? "" : "?***");
}

namespace {

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            if (i + 2 >= text.size()) return std::nullopt;
            const auto byte = parse_hex<std::uint8_t>(text.substr(i + 1, 2));
            if (!byte) return std::nullopt;
            out.push_back(static_cast<char>(*byte));
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
    return Error{in_quotes(part) + " is not percent-encoded (RFC 3986); write % as %25"};
}

}  // namespace

Result<RequestTarget> parse_request_target(std::string_view text) {
    if (!text.starts_with('/')) return Error{in_quotes(text) + " is not a path; begin it with /"};
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
    constexpr std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string out;
    for (const char c : text) {
        if (unreserved.find(c) != std::string_view::npos) {
            out.push_back(c);
            continue;
        }
        out.push_back('%');
        append_hex(out, static_cast<unsigned char>(c), upper_hex_digits);
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
