#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/result.h>

namespace holdfast {

/// One server of NATS.
struct NatsUrl {
    bool tls = false;
    std::string user;      ///< or a token, if there is no password
    std::string password;  ///< secret
    std::string host;      ///< a name or an address, an IPv6 one without its brackets
    std::uint16_t port = 4222;

    /// "tls://nats.example:4222": what may be shown.
    [[nodiscard]] std::string shown() const;
    /// The same with user and password, for the client.
    [[nodiscard]] std::string whole() const;
};

/// "nats://host:4222,tls://user:password@[::1]:4222": scheme (nats) and port (4222) may be left out. An error says
/// which is wrong and how to write it, and never holds a secret. Pure.
[[nodiscard]] Result<std::vector<NatsUrl>> parse_nats_urls(std::string_view list);

/// The text with "***" for what stands before an '@', from the scheme on, also where it is no URL: rather too much than
/// a part of a password. Pure.
[[nodiscard]] std::string without_secrets(std::string_view list);

}  // namespace holdfast
