#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

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

}  // namespace holdfast
