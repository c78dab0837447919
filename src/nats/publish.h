#pragma once

#include <optional>
#include <string>

#include <holdfast/result.h>

#include "nats/message.h"

struct __natsConnection;

namespace holdfast {

/// Hands the message to the client, with its headers; the acknowledgement goes to `reply`. Errors: it is too large for
/// the server, or the connection has gone.
[[nodiscard]] std::optional<Error> publish(__natsConnection* connection, const NatsMessage& message,
                                           const std::string& spool_id, const std::string& reply);

}  // namespace holdfast
