#pragma once

#include <string_view>

#include <holdfast/status.h>

#include "conn/core.h"

namespace holdfast {

class MemoryPressure;
class Receiver;

/// Writes to the connections of a shard. Bytes that do not fit into the send buffer wait in the connection's queue. The
/// shard's thread.
class Sender {
public:
    Sender(Core& core, MemoryPressure& memory, Receiver& receiver)
        : core_(core), memory_(memory), receiver_(receiver) {}

    [[nodiscard]] SendOutcome send(Connection& connection, std::string_view framed);
    /// Writes the queue after the poller reported room.
    void flush(Connection& connection);
    /// Makes the poller report once when there is room to write.
    void notify_when_writable(Connection& connection);

private:
    void enqueue(Connection& connection, std::string_view framed, bool is_begun);
    void flush_queue(Connection& connection, Downlink& downlink);
    void fail(Connection& connection, int error);
    [[nodiscard]] ssize_t put(Connection& connection, std::string_view bytes);
    [[nodiscard]] ssize_t put_encrypted(Connection& connection, std::string_view bytes);

    Core& core_;
    MemoryPressure& memory_;
    Receiver& receiver_;
};

}  // namespace holdfast
