#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "conn/core.h"
#include "tls/tls_session.h"

namespace holdfast {

class MemoryPressure;
class Preamble;
class Sender;

/// Reads the connections of a shard and passes their bytes to the handler. Owns the list of connections to read later
/// and the pause of all reading. Detects the end of a connection whose reading is paused. The shard's thread.
class Receiver {
public:
    Receiver(Core& core, MemoryPressure& memory, Preamble& preamble, Sender& sender)
        : core_(core), memory_(memory), preamble_(preamble), sender_(sender) {}

    /// Handles the poller's events other than EPOLLOUT.
    void on_ready(Connection& connection, std::uint32_t events);
    /// Reads until the socket is empty or the connection's share of the turn is used up. Does nothing if its reading is
    /// paused.
    void read(Connection& connection, ReadUntil until);
    /// Schedules the connection for read_waiting().
    void read_later(Connection& connection);
    /// Reads the scheduled connections in order, while the turn has time.
    void read_waiting();
    [[nodiscard]] bool has_waiting() const { return !waiting_.empty() && !paused_; }

    /// Passes the first `arrived` bytes of the receive buffer to the handler, after the kept bytes. Returns false if
    /// the connection was closed or its reading is paused.
    [[nodiscard]] bool take(Connection& connection, std::size_t arrived);
    /// Passes the rest of a stream to the handler after its sender ended it in order.
    void take_last_bytes(Connection& connection);
    /// Ends the hold that ReadResult::hold began: passes the kept bytes to the handler again and resumes reading.
    void release(Connection& connection);
    /// Ends the hold of the embedding program (Connection::held) in the same way.
    void release_held(Connection& connection);
    /// Delivers the kept bytes of a connection that ends, also if the program holds it again at each item.
    void deliver_held(Connection& connection);
    /// Reads what has arrived, then closes the connection.
    void close_after_reading(Connection& connection, CloseReason reason, std::string_view detail);
    /// Closes the connection and drops the bytes that the handler has not taken: they do not count as left over.
    void refuse(Connection& connection, CloseReason reason, std::string_view detail);
    /// Reads what has arrived from a silent peer, so that the verdict on it is final.
    void read_last_bytes(Connection& connection);
    /// Ends a connection according to its TLS session, or continues if more may arrive.
    void end_by_tls(Connection& connection, const TlsOutcome& outcome);

    /// Returns true if connections may be read now. Begins or ends the pause of all reading as the handler demands.
    [[nodiscard]] bool may_read();
    /// Returns true while the handler accepts no bytes.
    [[nodiscard]] bool is_paused() const { return paused_; }
    /// Returns true if the connection's reading is paused or scheduled for later, or if it waits for its answers.
    [[nodiscard]] bool is_waiting(const Connection& connection) const;

    /// Checks a connection whose last answer was sent: it closes if its peer has ended its stream.
    void answered(Connection& connection) {
        if (connection.peer_ended) read_later(connection);
    }
    /// Closes the connections whose peer has ended its stream and whose hold or answers take too long.
    void end_long_waits();

private:
    void read_or_later(Connection& connection, ReadUntil until);
    void read_unusual(Connection& connection, ReadUntil until);
    void read_encrypted(Connection& connection, ReadUntil until);
    void read_plain(Connection& connection, ReadUntil until);
    void resume(Connection& connection);
    [[nodiscard]] ReadResult parse(Connection& connection, std::span<const char> window);
    [[nodiscard]] bool keep_unfinished(Connection& connection, std::span<const char> rest, bool same_item);
    void end_by_peer(Connection& connection);
    [[nodiscard]] bool owes_answers(const Connection& connection) const;
    void answer_first(Connection& connection);
    void drop_rest(Connection& connection);
    void see_end(Connection& connection, std::uint32_t events);
    void end_unread(Connection& connection);
    void recheck_soon();

    Core& core_;
    MemoryPressure& memory_;
    Preamble& preamble_;
    Sender& sender_;
    std::vector<Token> waiting_;
    bool paused_ = false;
    SteadyTime paused_since_{};  // in attended time
    bool rechecks_ = false;      // a timer is set
};

}  // namespace holdfast
