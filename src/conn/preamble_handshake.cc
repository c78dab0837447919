#include <chrono>
#include <utility>

#include "conn/admission.h"
#include "conn/memory_pressure.h"
#include "conn/preamble.h"
#include "conn/receiver.h"
#include "conn/sender.h"
#include "conn/walks.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

// Verifying a certificate again takes two signatures, about 0.2 ms, so a turn makes as few as handshakes.
constexpr Walks::Pace certificate_pace{8, std::chrono::milliseconds(0)};
// Time for the device's part since the gateway's first step, in addition to round trips.
constexpr std::chrono::milliseconds handshake_timeout{500};

}  // namespace

/// Starts the handshake once the first byte has arrived: a peer that only connects costs no session. Returns false if
/// the handshake cannot begin.
bool Preamble::begin_handshake(Connection& connection, PreambleState& state) {
    if (!has_arrived(connection)) return false;
    if (!core_.admission.has_room_for_session()) {
        turn_away(connection, RefusedBy::buffer_budget);
        return false;
    }
    if (!take_handshake_place(connection.peer.address)) {
        turn_away(connection, RefusedBy::max_handshakes);
        return false;
    }
    half_open_.add(core_.number_of(connection), connection.peer.address, core_.reactor.attended());
    state.in_handshake = true;
    state.bare = false;
    core_.counters_of(connection).handshakes.increment();
    auto session = TlsSession::begin(core_.policy_of(connection).tls, connection.fd);
    if (session == nullptr) {
        core_.close(connection, CloseReason::out_of_memory, "no memory for a TLS session");
        return false;
    }
    const MemoryPressure::Note note(memory_, connection);
    core_.tls.put(connection.fd, std::move(session));
    connection.encrypted = true;
    return true;
}

/// Takes a place for a handshake. If none is free, it refuses the oldest handshake of the source with most. This
/// happens at once if that source has more than the newcomer's, else only if its peer is slow. Otherwise a reconnecting
/// fleet with long round trips would evict its own handshakes.
bool Preamble::take_handshake_place(const IpAddress& newcomer) {
    if (core_.admission.handshakes().take()) return true;
    while (const auto replaced = half_open_.to_replace(newcomer)) {
        Connection* connection = core_.registry.find(replaced->number);
        const bool is_closing = connection == nullptr;  // finalizing it frees its place
        if (!is_closing && !replaced->by_share && !is_slow(*connection, replaced->since)) return false;
        half_open_.remove(replaced->number);
        if (is_closing) continue;
        table_.find(replaced->number)->in_handshake = false;
        ListenerCounters& counters = core_.counters_of(*connection);
        counters.handshakes.decrement();
        counters.handshakes_failed.increment();
        turn_away(*connection, RefusedBy::max_handshakes);
        return true;
    }
    return false;  // other reactors hold all places
}

/// Returns true if the peer delays its handshake, which takes one or two round trips. A peer is not slow while its
/// bytes wait for the gateway.
bool Preamble::is_slow(const Connection& connection, SteadyTime since) {
    if (table_.find(core_.number_of(connection))->queued || unread_bytes(connection.fd) > 0) return false;
    const auto facts = read_tcp_facts(connection.fd);
    return !facts || core_.reactor.attended() - since > handshake_timeout + 4 * facts->evidence.rtt;
}

void Preamble::handshake_later(Connection& connection, PreambleState& state) {
    if (std::exchange(state.queued, true)) return;
    state.queued_since = core_.reactor.attended();
    handshakes_.add(core_.number_of(connection), connection.peer.address, state.in_handshake, core_.reactor.attended());
}

void Preamble::step_handshakes() {
    handshakes_.begin_turn();
    const auto exists = [this](Token number) { return core_.registry.find(number) != nullptr; };
    while (const auto next = handshakes_.next(core_.reactor.attended(), exists)) {
        Connection& connection = *core_.registry.find(next->number);
        next->too_late ? turn_away(connection, RefusedBy::handshake_wait) : handshake(connection);
    }
}

void Preamble::handshake(Connection& connection) {
    PreambleState& state = *table_.find(core_.number_of(connection));
    state.queued = false;
    state.due += core_.reactor.attended() - state.queued_since;
    if (!state.in_handshake && !begin_handshake(connection, state)) return;
    TlsSession& session = core_.tls.of(connection.fd);
    session.begin_turn();
    TlsOutcome outcome;
    {
        const MemoryPressure::Note note(memory_, connection);
        outcome = session.handshake();
    }
    switch (outcome.step) {
        case TlsStep::done:
            return finish_handshake(connection, session);
        case TlsStep::want_read:
            if (outcome.ran_out) handshake_later(connection, state);
            return;
        case TlsStep::want_write:
            return sender_.notify_when_writable(connection);
        case TlsStep::closed:
        case TlsStep::truncated:
            return core_.close_by_kernel(connection, 0, IoPhase::read, "during the TLS handshake");
        case TlsStep::broken:
        case TlsStep::failed:
            return receiver_.end_by_tls(connection, outcome);
    }
}

void Preamble::finish_handshake(Connection& connection, const TlsSession& session) {
    PreambleState& state = *table_.find(core_.number_of(connection));
    state.in_handshake = false;
    half_open_.remove(core_.number_of(connection));
    core_.admission.handshakes().give_back();
    ListenerCounters& counters = core_.counters_of(connection);
    counters.handshakes.decrement();
    (session.facts().resumed ? counters.handshakes_resumed : counters.handshakes_full).increment();
    counters.handshake.observe(std::chrono::floor<std::chrono::milliseconds>(core_.reactor.now() - state.began));
    if (const auto objection = objection_to(connection); !objection.empty()) {
        return core_.close(connection, CloseReason::tls_failed, objection);
    }
    connection.under_watch = true;  // the last record to the device may be unacknowledged
    if (state.own) {
        await_item(connection, state);
        return receiver_.read_later(connection);
    }
    open_certified(connection, session);
}

/// Opens the connection with the id of its certificate.
void Preamble::open_certified(Connection& connection, const TlsSession& session) {
    if (const std::string id = session.device_id(); !id.empty()) {
        core_.handler.on_certified(connection, core_.number_of(connection), id);
        if (connection.is_closing()) return;  // the Finalizer ends its preamble
    }
    open(connection);
}

/// Returns the objection of the listener's present rules to the connection's certificate, or an empty text.
std::string_view Preamble::objection_to(const Connection& connection) const {
    const auto& rules = core_.policy_of(connection).tls;
    const TlsSession& session = core_.tls.of(connection.fd);
    return rules == nullptr || session.follows(*rules) ? std::string_view() : session.objection_of(*rules);
}

/// Closes the connections whose certificates the present rules reject, so that revoking a certificate disconnects its
/// device.
void Preamble::close_uncertified(std::uint8_t listener, Walks& walks) {
    if (core_.policies.of_listener(listener).tls == nullptr || !core_.policies.of_listener(listener).tls->asks())
        return;
    const auto visit = [this, listener](Connection& connection) {
        if (connection.listener != listener || !connection.encrypted || connection.is_opening()) return;
        const auto objection = objection_to(connection);
        if (!objection.empty()) core_.close(connection, CloseReason::kicked, objection);
    };
    walks.walk(
        visit, [] {}, certificate_pace);
}

}  // namespace holdfast
