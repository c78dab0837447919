#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <holdfast/events.h>

namespace holdfast {

/// Strength of a connection's identity. A stronger identity wins a contest for an id: the values are in that order.
enum class Identity : std::uint8_t {
    none,           ///< the device has stated no id
    claimed,        ///< the device has stated an id in its hello
    authenticated,  ///< a certificate or a token has proved the id
};

/// Returns the identity of a device that has stated or proved an id.
[[nodiscard]] constexpr Identity identity_of(bool is_authenticated) noexcept {
    return is_authenticated ? Identity::authenticated : Identity::claimed;
}

/// Returns true if the id is `pattern`, or begins with the part of it before a final '*'.
[[nodiscard]] constexpr bool matches_id(std::string_view pattern, std::string_view id) noexcept {
    if (id == pattern) return !id.empty();
    return pattern.ends_with('*') && !id.empty() && id.starts_with(pattern.substr(0, pattern.size() - 1));
}

/// Returns true if a time is neither before `since` nor after `until`.
[[nodiscard]] constexpr bool is_between(std::optional<EventTime> since, EventTime at,
                                        std::optional<EventTime> until) noexcept {
    return (!since || at >= *since) && (!until || at <= *until);
}

}  // namespace holdfast
