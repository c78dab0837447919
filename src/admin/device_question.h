#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

struct ApiAnswer;

/// A request about a device by its own id: what /v1/devices/{id} was asked.
struct DeviceQuestion {
    enum class Kind : std::uint8_t {
        show,   ///< GET /v1/devices/{id}
        send,   ///< POST .../messages
        probe,  ///< POST .../probe
        close,  ///< DELETE /v1/devices/{id}
    };
    Kind kind{};
    std::string_view device;
    std::string_view json = {};          ///< of `send`: one object without white space
    std::chrono::milliseconds patience;  ///< of `send` and `probe`
};

/// Asked when this gateway does not hold the device: the answer of the gateway that does, or nothing if none is known
/// to. Called on admin threads, several at once; may take as long as the patience and a second.
using AskElsewhere = std::function<std::optional<ApiAnswer>(const DeviceQuestion&)>;

}  // namespace holdfast
