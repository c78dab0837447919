#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

namespace holdfast {

/// An absolute http or https URL, taken apart.
struct HttpUrl {
    bool tls = false;
    std::string host;  ///< a name or an address, an IPv6 one without its brackets
    std::uint16_t port = 0;
    std::string target;  ///< path and query, at least "/"

    /// "hooks.example:443": what may be logged, since the target often is a secret.
    [[nodiscard]] std::string authority() const;
};

/// Names are not looked up. An error says what is wrong with the text and how to write it. Pure.
[[nodiscard]] Result<HttpUrl> parse_http_url(std::string_view text);

/// As it may be printed, whether or not it is a URL: without name, password, path and query. Pure.
[[nodiscard]] std::string without_secrets_of_http(std::string_view text);

/// What is wrong with the URL of a webhook; nothing if it is empty (no webhook) or can be used. Pure.
[[nodiscard]] std::optional<std::string> check_webhook_url(std::string_view text);

}  // namespace holdfast
