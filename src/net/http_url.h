#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

}  // namespace holdfast
