#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

inline constexpr std::size_t max_listeners = 256;

/// An error of a configuration and its place: section and option as in the file ("" for the top level).
struct Violation {
    std::optional<std::size_t> listener;  ///< index of the listener, if it concerns one
    std::string_view section;
    std::string_view option;
    std::string message;  ///< subject, error and remedy
};

/// Begins the address of a listener whose socket the process inherits: "fd:3", "fd:NAME". In files only; a program sets
/// ListenerConfig::descriptor.
inline constexpr std::string_view inherited_prefix = "fd:";

/// Names that a message gives to an option: "max_bytes in [item]" of the file, or "item.max_bytes" of ServerConfig.
enum class Words : std::uint8_t { file, program };

/// Returns all errors of `config`, of single options and of combinations. Pure; any thread. Binds and opens nothing.
[[nodiscard]] std::vector<Violation> find_violations(const ServerConfig& config, Words words = Words::file);

/// Returns true if two listening sockets cannot both bind. They have the same port, and the same address or a wildcard
/// ("[::]" covers every address, "0.0.0.0" every IPv4 address). Port 0 never overlaps.
[[nodiscard]] bool overlap(const Endpoint& a, const Endpoint& b);

/// Returns the member of ServerConfig that has the option: "tls.key" of a listener for "tls_key".
[[nodiscard]] std::string member_of(std::string_view option);

/// Returns find_violations() as errors with codes and fields, for Server::start().
[[nodiscard]] std::vector<Error> validate(const ServerConfig& config);

}  // namespace holdfast
