#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// Parts of an absolute http or https URL.
struct HttpUrl {
    bool tls = false;
    std::string host;  ///< a name or an address; an IPv6 address without its brackets
    std::uint16_t port = 0;
    std::string target;  ///< path and query, at least "/"

    /// Returns "hooks.example:443", the part that may be logged; the target often is a secret.
    [[nodiscard]] std::string authority() const;
};

/// Parses a URL without resolving names. The error says what is wrong with the text and how to write it. Pure.
[[nodiscard]] Result<HttpUrl> parse_http_url(std::string_view text);

/// Returns the printable form of any text: a URL without name, password, path and query. Pure.
[[nodiscard]] std::string without_secrets_of_http(std::string_view text);

/// Returns what is wrong with the URL of a webhook, or nullopt if it is empty (no webhook) or valid. Pure.
[[nodiscard]] std::optional<std::string> check_webhook_url(std::string_view text);

/// Address and credentials of one NATS server.
struct NatsUrl {
    bool tls = false;
    std::string user;      ///< or a token, if there is no password
    std::string password;  ///< secret
    std::string host;      ///< a name or an address; an IPv6 address without its brackets
    std::uint16_t port = 4222;

    /// Returns "tls://nats.example:4222", the part that may be shown.
    [[nodiscard]] std::string shown() const;
    /// Returns the URL with user and password, for the client library.
    [[nodiscard]] std::string whole() const;
};

/// Parses "nats://host:4222,tls://user:password@[::1]:4222". The scheme (nats) and the port (4222) are optional. The
/// error names the faulty URL and how to write it, and never contains a secret. Pure.
[[nodiscard]] Result<std::vector<NatsUrl>> parse_nats_urls(std::string_view list);

/// Returns the text with "***" in place of everything between a scheme and '@', also if the text is no URL. Removes too
/// much rather than keep a part of a password. Pure.
[[nodiscard]] std::string without_secrets(std::string_view list);

/// A request's target (RFC 9112, 3.2.1), decoded: "/v1/closed?peer=10.2.0.0%2F16".
struct RequestTarget {
    std::vector<std::string> segments;                       ///< of the path: "v1", "closed"; none for "/"
    std::vector<std::pair<std::string, std::string>> query;  ///< in the order given; a '+' is a space
};

/// Refuses a target without '/' at its start, and a '%' without two hexadecimal digits after it. Pure.
[[nodiscard]] Result<RequestTarget> parse_request_target(std::string_view text);

/// Encodes one value: everything but unreserved characters (RFC 3986, 2.3) as %XX. Pure.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// Builds a target such as "/v1/x?a=1&b=2". Percent-encodes values and omits empty ones.
class QueryTarget {
public:
    explicit QueryTarget(std::string path) : text_(std::move(path)) {}
    QueryTarget& with(std::string_view name, std::string_view value);
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string text_;
};

}  // namespace holdfast
