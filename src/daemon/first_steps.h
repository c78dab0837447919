#pragma once

#include <optional>
#include <string>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/status.h>

namespace holdfast {

// Lines that `holdfast serve` prints for a first try. Pure.

/// Returns the address by which a program on this host reaches what listens on `bound`.
[[nodiscard]] Endpoint local_address(const Endpoint& bound);

/// Returns the dashboard's URL.
[[nodiscard]] std::string dashboard_url(const Endpoint& bound, bool tls);

/// Returns a command for bash that sends an item. Returns nullopt if a device of this listener needs TLS, a token, a
/// PROXY header or a length prefix.
[[nodiscard]] std::optional<std::string> first_item_command(const ListenerConfig& listener, const Endpoint& bound,
                                                            const std::string& key);

/// Returns that command for the first listener that has one; an empty text if none has.
[[nodiscard]] std::string first_item_command(const ServerConfig& config, const ServerStatus& status);

}  // namespace holdfast
