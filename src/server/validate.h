#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// What a ServerConfig may hold, both ends included. The configuration file and the flags are held to the same.
namespace bounds {

template <typename T>
struct Bounds {
    T least;
    T most;
};

inline constexpr std::size_t listeners = 256;
inline constexpr std::size_t name_length = 64;
inline constexpr std::size_t key_length = 255;
inline constexpr Bounds<std::chrono::milliseconds> read_idle{std::chrono::seconds(1), std::chrono::hours(720)};
inline constexpr Bounds<std::chrono::milliseconds> write_stall{std::chrono::seconds(1), std::chrono::hours(24)};
inline constexpr Bounds<std::chrono::milliseconds> item_deadline{std::chrono::milliseconds(100),
                                                                 std::chrono::hours(24)};
inline constexpr Bounds<std::chrono::milliseconds> drain_time{std::chrono::milliseconds(0), std::chrono::hours(1)};
inline constexpr Bounds<std::size_t> max_bad_items{1, 65'535};
inline constexpr Bounds<std::size_t> backlog{1, 65'535};
inline constexpr Bounds<std::size_t> item_bytes{16, std::size_t{1} << 20};
inline constexpr Bounds<std::size_t> item_depth{1, 1'024};
inline constexpr Bounds<std::size_t> max_connections{0, 100'000'000};
inline constexpr Bounds<std::size_t> downlink_queue{std::size_t{1} << 10, std::size_t{64} << 20};
inline constexpr Bounds<std::size_t> accept_rate{0, 1'000'000};
inline constexpr Bounds<std::size_t> buffer_budget{0, std::size_t{1} << 40};
inline constexpr Bounds<std::size_t> per_second{0, std::size_t{1} << 40};  // items or bytes
inline constexpr Bounds<std::size_t> reactors{0, 128};
inline constexpr Bounds<std::size_t> closed_history{0, 10'000'000};

}  // namespace bounds

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
