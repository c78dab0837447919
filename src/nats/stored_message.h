#pragma once

#include <cstdint>
#include <string>

#include "nats/nats_link.h"
#include "spool/position.h"

namespace holdfast {

/// What a stream says of one of its messages; without a spool if there is none, or if no gateway wrote it.
struct StoredMessage {
    std::string spool;
    std::uint64_t epoch = 0;
    Position first = 0;
    Position last = 0;
    bool is_unreadable = false;  ///< the server does not answer: `why`
    std::string why;
};

/// Reads the message of that sequence. Waits for the server, a second at most.
[[nodiscard]] StoredMessage read_stored(const NatsLink::Lease& lease, const std::string& stream,
                                        std::uint64_t sequence);

}  // namespace holdfast
