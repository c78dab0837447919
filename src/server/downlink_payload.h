#pragma once

#include <string>
#include <string_view>

#include <holdfast/result.h>
#include <holdfast/server.h>

namespace holdfast {

/// Returns the message that a JSON object of an operator means for the connection. On a listener with another payload
/// that is the string in the object's field `text` or `base64`, else the object. Without the field it is an error.
/// Queries the connection's reactor, if a listener has another payload.
[[nodiscard]] Result<std::string> downlink_payload(const Server& server, ConnectionId id, std::string_view json_object);

/// Returns the same for a known payload. Pure.
[[nodiscard]] Result<std::string> downlink_payload(Payload payload, std::string_view json_object);

}  // namespace holdfast
