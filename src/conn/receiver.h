#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "conn/core.h"
#include "tls/tls_session.h"

namespace holdfast {

class MemoryPressure;
class Preamble;
class Sender;

/// Reads the connections of a shard and hands their bytes to the handler. Owns the list of connections to be read
/// later and the pause of all reading; sees the end of a connection whose reading is paused. The shard's thread.
class Receiver {
public:
    Receiver(Core& core, MemoryPressure& memory, Preamble& preamble, Sender& sender)
        : core_(core), memory_(memory), preamble_(preamble), sender_(sender) {}

    /// Handles the poller's events other than EPOLLOUT.
    void on_ready(Connection& connection, std::uint32_t events);
    /// Reads until the socket is empty or the connection has had its share of the turn. Does nothing if its reading is
    /// paused.
    void read(Connection& connection, ReadUntil until);
    /// Has read_waiting() read the connection.
    void read_later(Connection& connection);
    /// Reads the connections that wait, in the order in which they came, as far as the turn has time.
    void read_waiting();
    [[nodiscard]] bool has_waiting() const { return !waiting_.empty() && !paused_; }

    /// Hands the first `arrived` bytes of the receive buffer to the handler, behind what was kept. Returns false if the
    /// connection has been closed or must not be read for now.
    [[nodiscard]] bool take(Connection& connection, std::size_t arrived);
    /// Hands over what is left of a stream that its sender has ended in order.
    void take_last_bytes(Connection& connection);
    /// Ends the hold that Taken::hold began: what was kept is handed over again, and reading goes on.
    void release(Connection& connection);
    /// Closes the connection once what has arrived has been read.
    void close_after_reading(Connection& connection, CloseReason reason, std::string_view detail);
    /// Reads what has arrived of a peer that is silent, so that the verdict on it is final.
    void read_last_bytes(Connection& connection);
    /// Ends a connection as its TLS session says, or goes on if more may come.
    void end_by_tls(Connection& connection, const TlsOutcome& outcome);

    /// Asks the handler whether connections may be read now.
    [[nodiscard]] bool may_read();
    /// Returns true while the handler takes nothing.
    [[nodiscard]] bool is_paused() const { return paused_; }
    /// Returns true if the connection has been paused, or waits for its turn to be read.
    [[nodiscard]] bool is_waiting(const Connection& connection) const;

    /// Closes the held connections whose peer has ended its stream and whose hold lasts too long.
    void end_long_holds();
    [[nodiscard]] bool has_ends_behind_holds() const { return !ended_while_held_.empty(); }

private:
    void read_or_later(Connection& connection, ReadUntil until);
    void read_unusual(Connection& connection, ReadUntil until);
    void read_encrypted(Connection& connection, ReadUntil until);
    void read_plain(Connection& connection, ReadUntil until);
    [[nodiscard]] bool keep_unfinished(Connection& connection, std::span<const char> rest, bool same_item);
    void end_by_peer(Connection& connection);
    void see_end(Connection& connection, std::uint32_t events);
    void end_unread(Connection& connection);
    void ask_again_soon();

    Core& core_;
    MemoryPressure& memory_;
    Preamble& preamble_;
    Sender& sender_;
    std::vector<Token> waiting_;
    bool paused_ = false;
    SteadyTime paused_since_{};                                  // in attended time
    bool asks_again_ = false;                                    // a timer will
    std::deque<std::pair<Token, SteadyTime>> ended_while_held_;  // until when, in attended time
};

}  // namespace holdfast
