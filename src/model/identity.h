#pragma once

#include <cstdint>

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

}  // namespace holdfast
