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

/// One thing that is wrong, and where: the section and option as in the configuration file ("" for the top level).
struct Violation {
    std::optional<std::size_t> listener;  ///< its index, if it is about one
    std::string_view section;
    std::string_view option;
    std::string message;  ///< names the thing, what is wrong with it and what to do
};

/// All that is wrong with `config`, each option by itself and together. Pure; any thread. Nothing is bound or opened.
[[nodiscard]] std::vector<Violation> find_violations(const ServerConfig& config);

/// True if two listening sockets cannot both have their address: the same, or one is a wildcard ("[::]" takes every
/// address, "0.0.0.0" every IPv4 one) of the same port. Port 0 is in nobody's way.
[[nodiscard]] bool overlap(const Endpoint& a, const Endpoint& b);

/// find_violations as errors. Server::start uses it.
[[nodiscard]] std::vector<Error> validate(const ServerConfig& config);

}  // namespace holdfast
