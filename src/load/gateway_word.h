#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

/// What a gateway says to a simulated device. Only what it writes itself is read: without white space, fields in its
/// order.
struct GatewayWord {
    enum class Kind : std::uint8_t {
        downlink,  ///< {"load_downlink":7}
        resume,    ///< {"resume":7}
        ack,       ///< {"ack":7}
        nack,      ///< {"nack":7,"reason":"no_key"}
        gap,       ///< {"nack":7,"reason":"gap","expected":5}
    };
    Kind kind{};
    std::uint64_t number = 0;

    friend bool operator==(const GatewayWord&, const GatewayWord&) = default;
};

/// Nothing: it is another item. Pure.
[[nodiscard]] std::optional<GatewayWord> gateway_word(std::string_view item) noexcept;

/// The downlink item that carries `number`: {"load_downlink":7}. Pure.
[[nodiscard]] std::string downlink_item(std::uint64_t number);

}  // namespace holdfast
