#pragma once

#include <cstdint>
#include <string>

#include "forward/nats_link.h"
#include "spool/position.h"

namespace holdfast {

/// Message of a stream. The spool is absent if the message does not exist, or if no gateway wrote it.
struct StoredMessage {
    std::string spool;
    std::uint64_t epoch = 0;
    Position first = 0;
    Position last = 0;
    bool is_unreadable = false;  ///< the server does not answer: see `why`
    std::string why;
};

/// Reads the message with that sequence. Waits for the server, at most a second.
[[nodiscard]] StoredMessage read_stored(const NatsLink::Lease& lease, const std::string& stream,
                                        std::uint64_t sequence);

}  // namespace holdfast
