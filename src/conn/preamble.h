#pragma once

#include <chrono>
#include <string_view>

#include "conn/core.h"
#include "conn/half_open.h"
#include "conn/handshake_scheduler.h"
#include "conn/preamble_table.h"
#include "tls/tls_session.h"

namespace holdfast {

class Listeners;
class MemoryPressure;
class Receiver;
class Sender;
class Walks;

/// Leads connections from accept to the first byte of an item: turn of accept_rate, PROXY header, TLS handshake. The
/// handler does not know them before. Owns the table of their progress; the slot has only its stage. The shard's
/// thread.
class Preamble {
public:
    Preamble(Core& core, Listeners& listeners, MemoryPressure& memory, Receiver& receiver, Sender& sender)
        : core_(core), listeners_(listeners), memory_(memory), receiver_(receiver), sender_(sender) {}

    /// Begins with the PROXY header or the handshake. `peer_has_shut`: the peer sent FIN before accept.
    void begin(Connection& connection, bool peer_has_shut);
    /// Makes the connection wait for accept_rate, without a deadline.
    void wait_for_turn(const Connection& connection) { table_.wait(core_.number_of(connection)); }
    void end_wait(const Connection& connection) { table_.end(core_.number_of(connection)); }
    /// Returns true if a PROXY header has arrived that declares the connection the proxy's own. Consumes nothing.
    [[nodiscard]] bool is_health_check(const Connection& connection);
    /// Proceeds as far as the received bytes allow.
    void step(Connection& connection, ReadUntil until);
    /// Closes a connection that a limit refuses. The shard counts it as refused, and the handler never knows it.
    void turn_away(Connection& connection, RefusedBy limit);

    /// Makes the next steps of waiting handshakes, within the turn's share.
    void step_handshakes();
    [[nodiscard]] bool has_handshakes_left() const { return !handshakes_.empty(); }

    /// Ends the preamble of a closed connection. Returns true if the handler must know the connection: it was neither a
    /// health check nor refused.
    [[nodiscard]] bool finalize(Connection& connection, const CloseInfo& info);

    /// Closes the connections of a listener whose certificates its present rules reject. Connections in a handshake are
    /// checked at its end.
    void close_uncertified(std::uint8_t listener, Walks& walks);

private:
    // preamble.cc
    void set_timer();
    void check_deadline(Connection& connection);
    void overrun(Connection& connection);
    [[nodiscard]] bool take_proxy_header(Connection& connection, PreambleState& state, ReadUntil until);
    [[nodiscard]] bool take_peer(Connection& connection, const Endpoint& peer);
    [[nodiscard]] bool has_arrived(Connection& connection);
    void close_if_shut(Connection& connection);
    void enter_handshake(Connection& connection, PreambleState& state);
    void open(Connection& connection);
    [[nodiscard]] bool finalize_waiting(Connection& connection, const CloseInfo& info);
    [[nodiscard]] bool finalize_begun(Connection& connection, const PreambleState& state, const CloseInfo& info);

    // preamble_check.cc
    void begin_check(Connection& connection, PreambleState& state);
    void end_check(const Connection& connection, PreambleState& state);
    void step_check(Connection& connection, PreambleState& state);
    void await_item(Connection& connection, PreambleState& state);
    [[nodiscard]] bool has_item_byte(Connection& connection);
    [[nodiscard]] bool has_decrypted_item_byte(Connection& connection);

    // preamble_handshake.cc
    [[nodiscard]] bool begin_handshake(Connection& connection, PreambleState& state);
    [[nodiscard]] bool take_handshake_place(const IpAddress& newcomer);
    [[nodiscard]] bool is_slow(const Connection& connection, SteadyTime since);
    void handshake_later(Connection& connection, PreambleState& state);
    void handshake(Connection& connection);
    void finish_handshake(Connection& connection, const TlsSession& session);
    void open_certified(Connection& connection, const TlsSession& session);
    [[nodiscard]] std::string_view objection_to(const Connection& connection) const;

    Core& core_;
    Listeners& listeners_;
    MemoryPressure& memory_;
    Receiver& receiver_;
    Sender& sender_;
    PreambleTable table_;
    bool has_timer_ = false;
    HandshakeScheduler handshakes_;
    HalfOpen half_open_;
};

}  // namespace holdfast
