#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "forward/message.h"

struct __natsConnection;

namespace holdfast {

struct PublishFailure {
    std::string message;
    bool unfit = false;  ///< this message will always be rejected; others may be accepted
};

struct PublishTarget {
    __natsConnection* connection = nullptr;
    std::string spool_id;
    std::string stream;            ///< the only stream that may store it
    std::size_t max_msg_size = 0;  ///< the stream's, for headers and body; 0: none
};

/// Passes the message with its headers to the client; the acknowledgement goes to `reply`. Checks headers and body
/// against the stream's limit; the client checks the server's `max_payload`.
[[nodiscard]] std::optional<PublishFailure> publish(const PublishTarget& target, const NatsMessage& message,
                                                    const std::string& reply);

}  // namespace holdfast
