#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "nats/message.h"

struct __natsConnection;

namespace holdfast {

struct PublishFailure {
    std::string message;
    bool unfit = false;  ///< this message will never be taken as it is; others may be
};

struct PublishTarget {
    __natsConnection* connection = nullptr;
    std::string spool_id;
    std::string stream;            ///< the one that is to take it, and no other
    std::size_t max_msg_size = 0;  ///< the stream's, for headers and body; 0: none
};

/// Hands the message to the client, with its headers; the acknowledgement goes to `reply`. Compares headers and body
/// with the stream's limit, and the client does with the `max_payload` of the server that it is connected to.
[[nodiscard]] std::optional<PublishFailure> publish(const PublishTarget& target, const NatsMessage& message,
                                                    const std::string& reply);

}  // namespace holdfast
