#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "http_server/http_message.h"

namespace holdfast {

/// The result of parsing a downlink body.
struct DownlinkMessage {
    std::string json;   ///< object without white space between its tokens: one line in any framing
    std::string code;   ///< empty if the body is valid, else the API's error code: not_json, not_object
    std::string error;  ///< description of the error
};

/// Reads one JSON object and validates it as a whole, including UTF-8. Numbers and strings stay as they are written.
/// Pure.
[[nodiscard]] DownlinkMessage read_message(std::string_view body);

/// A request to /v1/devices/{id}.
struct DeviceQuestion {
    enum class Kind : std::uint8_t {
        show,   ///< GET /v1/devices/{id}
        send,   ///< POST .../messages
        probe,  ///< POST .../probe
        close,  ///< DELETE /v1/devices/{id}
    };
    Kind kind{};
    std::string_view device;
    std::string_view json = {};         ///< for `send`: one object without white space
    std::chrono::milliseconds timeout;  ///< for `send` and `probe`
};

/// Forwards the request for a device that is not connected to this gateway. Returns the answer of the gateway that has
/// the device, or nullopt if none is known. Called by several admin threads at once. Returns within `timeout` and one
/// second.
using QueryElsewhere = std::function<std::optional<HttpResponse>(const DeviceQuestion&)>;

}  // namespace holdfast
