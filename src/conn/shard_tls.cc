#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "conn/shard.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

// To look at a certificate anew is two signatures, some 0.2 ms: as few in a turn as handshakes.
constexpr Walks::Pace certificate_walk{8, std::chrono::milliseconds(0)};
// From the gateway's first step on, beside round trips: a device computes its part within this time.
constexpr std::chrono::milliseconds patience_in_handshake{500};
constexpr int windows_a_turn = 4;  // of the landing buffer, as a plain connection

}  // namespace

/// False: it is over already. The first byte has arrived: who connects and says nothing costs no session.
bool Shard::begin_handshake(Connection& connection, Preamble& preamble) {
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
    preamble.shaking = true;
    preamble.bare = false;
    core_.counters_of(connection).handshakes.increment();
    auto session = TlsSession::begin(core_.policy_of(connection).tls, connection.fd);
    if (session == nullptr) {
        core_.close(connection, CloseReason::out_of_memory, "no memory for a TLS session");
        return false;
    }
    const HoldingNote note(*this, connection);
    core_.tls.put(connection.fd, std::move(session));
    connection.encrypted = true;
    return true;
}

/// When all places are taken, the oldest handshake of the source with most gives up its own: at once if that source has
/// more than the newcomer's, else if its peer lets the gateway wait. Otherwise a fleet with long round trips that comes
/// back would push itself out.
bool Shard::take_handshake_place(const IpAddress& newcomer) {
    if (core_.admission.handshakes().take()) return true;
    while (const auto replaced = half_open_.to_replace(newcomer)) {
        Connection* connection = core_.registry.find(replaced->number);
        const bool is_dying = connection == nullptr;  // its place is free once it has been reaped
        if (!is_dying && !replaced->by_share && !is_slow(*connection, replaced->since)) return false;
        half_open_.remove(replaced->number);
        if (is_dying) continue;
        preambles_.find(replaced->number)->shaking = false;
        ListenerCounters& counters = *core_.listener_counters[connection->listener];
        counters.handshakes.decrement();
        counters.handshakes_failed.increment();
        turn_away(*connection, RefusedBy::max_handshakes);
        return true;
    }
    return false;  // all are other reactors'
}

/// A handshake takes one or two round trips. A peer is not slow while its bytes wait for the gateway.
bool Shard::is_slow(const Connection& connection, SteadyTime since) {
    if (preambles_.find(core_.number_of(connection))->queued || unread_bytes(connection.fd) > 0) return false;
    const auto facts = read_tcp_facts(connection.fd);
    return !facts || core_.reactor.attended() - since > patience_in_handshake + 4 * facts->evidence.rtt;
}

void Shard::shake_later(Connection& connection, Preamble& preamble) {
    if (std::exchange(preamble.queued, true)) return;
    preamble.queued_since = core_.reactor.attended();
    handshakes_.add(core_.number_of(connection), connection.peer.address, preamble.shaking, core_.reactor.attended());
}

void Shard::step_handshakes() {
    handshakes_.begin_turn();
    const auto exists = [this](Token number) { return core_.registry.find(number) != nullptr; };
    while (const auto next = handshakes_.next(core_.reactor.attended(), exists)) {
        Connection& connection = *core_.registry.find(next->number);
        next->too_late ? turn_away(connection, RefusedBy::max_handshakes) : shake(connection);
    }
}

void Shard::shake(Connection& connection) {
    Preamble& preamble = *preambles_.find(core_.number_of(connection));
    preamble.queued = false;
    preamble.due += core_.reactor.attended() - preamble.queued_since;
    if (!preamble.shaking && !begin_handshake(connection, preamble)) return;
    TlsSession& session = core_.tls.of(connection.fd);
    session.begin_turn();
    TlsOutcome outcome;
    {
        const HoldingNote note(*this, connection);
        outcome = session.handshake();
    }
    switch (outcome.step) {
        case TlsStep::done:
            return finish_handshake(connection, session);
        case TlsStep::want_read:
            if (outcome.ran_out) shake_later(connection, preamble);
            return;
        case TlsStep::want_write:
            return wake_for_write(connection);
        case TlsStep::closed:
        case TlsStep::truncated:
            return core_.close_by_kernel(connection, 0, IoPhase::read, "in the middle of the TLS handshake");
        case TlsStep::broken:
        case TlsStep::failed:
            return end_by_tls(connection, outcome);
    }
}

void Shard::finish_handshake(Connection& connection, const TlsSession& session) {
    Preamble& preamble = *preambles_.find(core_.number_of(connection));
    preamble.shaking = false;
    half_open_.remove(core_.number_of(connection));
    core_.admission.handshakes().give_back();
    ListenerCounters& counters = core_.counters_of(connection);
    counters.handshakes.decrement();
    (session.facts().resumed ? counters.handshakes_resumed : counters.handshakes_full).increment();
    counters.handshake.observe(std::chrono::floor<std::chrono::milliseconds>(core_.reactor.now() - preamble.began));
    if (const auto objection = objection_to(connection); !objection.empty()) {
        return core_.close(connection, CloseReason::tls_failed, objection);
    }
    connection.under_watch = true;  // its last words to the device may be unacknowledged
    if (const std::string id = session.device_id(); !id.empty()) {
        core_.handler.on_certified(connection, core_.number_of(connection), id);
    }
    open(connection);
}

/// As read(), but that what is short does not mean that nothing is left: a record may be decrypted already.
void Shard::read_encrypted(Connection& connection, ReadUntil until) {
    if (connection.throttled && until == ReadUntil::short_read) return;
    TlsSession& session = core_.tls.of(connection.fd);
    session.begin_turn();
    for (int window = 0; window < windows_a_turn; ++window) {
        if (!reading_allowed()) break;
        const std::span<char> landing = core_.buffer.landing();
        std::size_t arrived = 0;
        TlsOutcome outcome;
        do {
            outcome = session.read(landing.subspan(arrived));
            arrived += outcome.bytes;
        } while (outcome.step == TlsStep::done && arrived < landing.size());
        if (arrived > 0 && !take(connection, arrived)) return;
        if (outcome.ran_out) break;
        if (outcome.step != TlsStep::done) return end_by_tls(connection, outcome);
    }
    read_later(connection);
}

/// What a session says when there is no more: often that there will be.
void Shard::end_by_tls(Connection& connection, const TlsOutcome& outcome) {
    const int pending = connection.pending_error;
    switch (outcome.step) {
        case TlsStep::want_write:
            wake_for_write(connection);
            [[fallthrough]];
        case TlsStep::done:
        case TlsStep::want_read:
            if (pending != 0) core_.close_by_kernel(connection, pending, IoPhase::write);
            return;
        case TlsStep::closed:
            return end_by_peer(connection);
        case TlsStep::truncated:
            return core_.close_by_kernel(connection, pending, pending != 0 ? IoPhase::write : IoPhase::read,
                                         "without the close_notify of TLS: its last bytes may be missing");
        case TlsStep::broken:
            return core_.close_by_kernel(connection, pending != 0 ? pending : outcome.error,
                                         pending != 0 ? IoPhase::write : IoPhase::read);
        case TlsStep::failed:
            return core_.close(connection, CloseReason::tls_failed, outcome.detail);
    }
}

/// The poller says once when there is room to write.
void Shard::wake_for_write(Connection& connection) {
    const Token number = core_.number_of(connection);
    if (const int error = core_.reactor.poller().modify(connection.fd, awaited_events | EPOLLOUT, number); error != 0) {
        core_.close_by_kernel(connection, error, IoPhase::register_);
    }
}

/// As send(2) without a signal.
ssize_t Shard::put(Connection& connection, std::string_view bytes) {
    if (connection.encrypted) return put_encrypted(connection, bytes);
    return ::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

/// What is not taken must come again with the same bytes in front.
ssize_t Shard::put_encrypted(Connection& connection, std::string_view bytes) {
    TlsSession& session = core_.tls.of(connection.fd);
    std::size_t taken = 0;
    while (taken < bytes.size()) {
        const TlsOutcome outcome = session.write(bytes.substr(taken));
        taken += outcome.bytes;
        if (outcome.step == TlsStep::done) continue;
        const bool waits = outcome.step == TlsStep::want_read || outcome.step == TlsStep::want_write;
        if (waits && taken > 0) break;
        if (outcome.step == TlsStep::failed) core_.close(connection, CloseReason::tls_failed, outcome.detail);
        errno = waits ? EAGAIN : outcome.step == TlsStep::broken ? outcome.error : EPIPE;
        return -1;
    }
    return static_cast<ssize_t>(taken);
}

/// Of the rules that its listener has got since its handshake began.
std::string_view Shard::objection_to(const Connection& connection) {
    const auto& rules = core_.policy_of(connection).tls;
    const TlsSession& session = core_.tls.of(connection.fd);
    return rules == nullptr || session.follows(*rules) ? std::string_view() : session.objection_of(*rules);
}

/// An operator who revokes a certificate expects that its device goes. Those in their handshake are looked at when it
/// is done.
void Shard::end_uncertified(std::uint8_t number) {
    if (core_.policies[number].tls == nullptr || !core_.policies[number].tls->asks()) return;
    const auto visit = [this, number](Connection& connection) {
        if (connection.listener != number || !connection.encrypted || is_opening(connection)) return;
        const auto objection = objection_to(connection);
        if (!objection.empty()) core_.close(connection, CloseReason::kicked, objection);
    };
    walks_.walk(
        visit, [] {}, certificate_walk);
}

void Shard::end_encryption(Connection& connection, const Death& death) {
    const ReasonKind kind = kind_of(death.reason);
    if (kind != ReasonKind::peer && kind != ReasonKind::network) core_.tls.of(connection.fd).farewell();
    core_.tls.end(connection.fd);
}

}  // namespace holdfast
