#include "net/nats_url.h"

#include <algorithm>
#include <charconv>

#include <holdfast/endpoint.h>

#include "text/printable.h"

namespace holdfast {
namespace {

constexpr std::size_t most_servers = 100;

Error wrong(std::string_view text, std::string_view what) {
    return Error{in_quotes(without_secrets(text)) + " " + std::string(what) +
                 "; write e.g. nats://10.0.0.5:4222,nats://10.0.0.6:4222"};
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
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

/// Removes a port such as ":4222" from the end of `host`, if there is one. Returns false if the text after the colon is
/// no port.
bool take_port(std::string_view& host, std::uint16_t& port) {
    const std::size_t colon = host.rfind(':');
    if (colon == std::string_view::npos || host.ends_with(']')) return true;
    const std::string_view digits = host.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    host = host.substr(0, colon);
    return error == std::errc{} && end == digits.data() + digits.size() && port > 0;
}

Result<NatsUrl> parse_one(std::string_view text) {
    NatsUrl url;
    std::string_view rest = text;
    const std::size_t scheme = rest.find("://");
    if (scheme != std::string_view::npos) {
        url.tls = rest.substr(0, scheme) == "tls";
        if (!url.tls && rest.substr(0, scheme) != "nats") return wrong(text, "does not start with nats:// or tls://");
        rest.remove_prefix(scheme + 3);
    }
    take_user(rest, url);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (!take_port(rest, url.port)) return wrong(text, "has no port from 1 to 65535 after the colon");
    if (rest.starts_with('[') && rest.ends_with(']')) {
        rest = rest.substr(1, rest.size() - 2);
        if (!parse_ip_address(rest)) return wrong(text, "has no IPv6 address between its brackets");
    } else if (rest.empty() || !std::all_of(rest.begin(), rest.end(), is_name_character)) {
        return wrong(text, "names no host");
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
        return wrong(list, "holds a control character");
    }
    std::vector<NatsUrl> urls;
    while (true) {
        const std::size_t comma = std::min(list.find(','), list.size());
        auto url = parse_one(trimmed(list.substr(0, comma)));
        if (!url) return url.error();
        urls.push_back(std::move(url).value());
        if (urls.size() > most_servers) return Error{"there are more than 100 NATS servers: name a few of them"};
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

}  // namespace holdfast
