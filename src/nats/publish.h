#pragma once

#include <optional>
#include <string>

#include "nats/message.h"

struct __natsConnection;

namespace holdfast {

struct PublishFailure {
    std::string message;
    bool unfit = false;  ///< this message will never be taken as it is; others may be
};

/// Hands the message to the client, with its headers; the acknowledgement goes to `reply`. The client compares headers
/// and body with the `max_payload` of the server that it is connected to.
[[nodiscard]] std::optional<PublishFailure> publish(__natsConnection* connection, const NatsMessage& message,
                                                    const std::string& spool_id, const std::string& reply);

}  // namespace holdfast
