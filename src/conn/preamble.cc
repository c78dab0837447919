#include "conn/preamble.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/kernel.h"
#include "conn/listeners.h"
#include "conn/receiver.h"
#include "tcp/peer_state.h"
#include "tcp/proxy_header.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds preamble_recheck{100};

/// Returns the time that a slow path adds. A handshake waits for one round trip, or two with a second ClientHello, and
/// a lost segment adds as many.
std::chrono::nanoseconds time_of_path(const Connection& connection) {
    constexpr std::chrono::seconds longest{20};
    const auto facts = read_tcp_facts(connection.fd);
    return facts ? std::min<std::chrono::nanoseconds>(4 * facts->evidence.rtt, longest) : std::chrono::nanoseconds(0);
}

}  // namespace

void Preamble::begin(Connection& connection, bool peer_has_shut) {
    core_.counters_of(connection).opening.increment();
    const bool proxied = core_.policy_of(connection).proxy_protocol != ProxyProtocol::off;
    table_.begin(core_.number_of(connection),
                 {.step = proxied ? PreambleState::Step::header : PreambleState::Step::handshake,
                  .bare = proxied,
                  .peer_had_shut = peer_has_shut,
                  .began = core_.reactor.now()},
                 core_.reactor.attended());
    set_timer();
}

/// Sets the timer to the next deadline. One timer serves all connections.
void Preamble::set_timer() {
    const auto next = table_.next_deadline();
    if (!next || std::exchange(has_timer_, true)) return;
    core_.reactor.run_at_attended(*next, [this] {
        has_timer_ = false;
        const TimeShare share = core_.reactor.share_from_now();
        while (const auto number = share.is_spent() ? std::nullopt : table_.overdue(core_.reactor.attended())) {
            if (Connection* connection = core_.registry.find(*number)) check_deadline(*connection);
        }
        set_timer();  // immediately, if the turn's share was spent
    });
}

/// Ends a connection whose deadline has passed. A peer is not late while its bytes wait for the gateway; those of a
/// PROXY header were checked on each arrival.
void Preamble::check_deadline(Connection& connection) {
    const Token number = core_.number_of(connection);
    const PreambleState& state = *table_.find(number);
    const SteadyTime now = core_.reactor.attended();
    if (state.due == SteadyTime::max()) return;
    if (state.due > now) return table_.put_off(number, state.due);
    if (state.queued) return table_.put_off(number, now + preamble_recheck);
    const bool waits = state.step == PreambleState::Step::header || unread_bytes(connection.fd) > 0;
    if (waits && now < state.due + PreambleTable::deadline) {
        receiver_.read(connection, ReadUntil::end);
        if (connection.is_closing() || !table_.is_under_way(number)) return;
        if (table_.find(number)->step != PreambleState::Step::header) {
            return table_.put_off(number, now + preamble_recheck);
        }
    }
    if (const SteadyTime due = state.due + time_of_path(connection); due > now) return table_.put_off(number, due);
    overrun(connection);
}

void Preamble::overrun(Connection& connection) {
    switch (table_.find(core_.number_of(connection))->step) {
        case PreambleState::Step::turn:
            return;  // no deadline
        case PreambleState::Step::header:
            return core_.close(connection, CloseReason::proxy_header_invalid,
                               "no complete PROXY header arrived within 5 s");
        case PreambleState::Step::item_byte:
            return core_.close(connection, CloseReason::read_idle);
        case PreambleState::Step::first_byte:
        case PreambleState::Step::handshake:
            return core_.close(connection, CloseReason::tls_failed, "the TLS handshake did not complete within 5 s");
    }
}

void Preamble::step(Connection& connection, ReadUntil until) {
    PreambleState& state = *table_.find(core_.number_of(connection));
    if (state.step == PreambleState::Step::turn) return listeners_.step_waiting(connection);
    if (state.step == PreambleState::Step::header && !take_proxy_header(connection, state, until)) return;
    if (state.own) return step_check(connection, state);
    core_.policy_of(connection).tls == nullptr ? open(connection) : enter_handshake(connection, state);
}

void Preamble::enter_handshake(Connection& connection, PreambleState& state) {
    // A peer that has shut down cannot finish a handshake, and its bytes cannot be read without one.
    if (state.peer_had_shut) return core_.close_by_kernel(connection, take_error(connection.fd), IoPhase::read);
    state.step = PreambleState::Step::handshake;
    handshake_later(connection, state);
}

/// Peeks at the received bytes and consumes only the header. Returns false if the header is incomplete or the
/// connection was closed.
bool Preamble::take_proxy_header(Connection& connection, PreambleState& state, ReadUntil until) {
    const std::span<char> room = core_.buffer.landing().first(max_proxy_header);
    const ssize_t arrived = kernel::recv(connection.fd, room.data(), room.size(), MSG_PEEK);
    if (arrived < 0 && errno == EAGAIN) return false;
    if (arrived <= 0) {
        core_.close_by_kernel(connection, arrived == 0 ? 0 : errno, IoPhase::read);
        return false;
    }
    state.bare = false;
    const ProxyHeader header =
        parse_proxy_header(core_.policy_of(connection).proxy_protocol, room.first(static_cast<std::size_t>(arrived)));
    switch (header.kind) {
        case ProxyHeader::Kind::partial:
            if (until == ReadUntil::end) close_if_shut(connection);
            return false;
        case ProxyHeader::Kind::invalid:
            core_.close(connection, CloseReason::proxy_header_invalid, header.detail);
            return false;
        case ProxyHeader::Kind::local:
        case ProxyHeader::Kind::relayed:
            break;
    }
    static_cast<void>(kernel::recv(connection.fd, room.data(), header.size, 0));
    if (is_proxys_own(header, connection.peer)) {
        begin_check(connection, state);
        return true;
    }
    return take_peer(connection, header.peer);
}

/// Sets the peer from the header; the limits of that peer apply from now on. Returns false if they refuse the
/// connection.
bool Preamble::take_peer(Connection& connection, const Endpoint& peer) {
    AdmissionGuard guard;
    const auto refused = core_.admission.take_share(peer.address, guard);
    connection.peer = peer;
    connection.counts_for_peer = guard.peer;
    connection.counts_for_prefix = guard.prefix;
    if (refused) turn_away(connection, *refused);
    return !refused;
}

void Preamble::turn_away(Connection& connection, RefusedBy limit) {
    table_.find(core_.number_of(connection))->turned_away = true;
    core_.counters_of(connection).refused[static_cast<std::size_t>(limit)].increment();
    core_.close(connection, CloseInfo{});
}

/// Returns true if a byte has arrived. Closes the connection if its stream has ended instead.
bool Preamble::has_arrived(Connection& connection) {
    char byte = 0;
    const ssize_t arrived = kernel::recv(connection.fd, &byte, 1, MSG_PEEK);
    if (arrived <= 0 && !(arrived < 0 && errno == EAGAIN)) {
        core_.close_by_kernel(connection, arrived == 0 ? 0 : errno, IoPhase::read);
    }
    return arrived > 0;
}

/// Closes the connection if its peer has shut down. A peek leaves bytes in place and cannot see the end of the stream
/// after them.
void Preamble::close_if_shut(Connection& connection) {
    if (!has_hung_up(connection.fd)) return;
    core_.close_by_kernel(connection, take_error(connection.fd), IoPhase::read);
}

void Preamble::open(Connection& connection) {
    const Token number = core_.number_of(connection);
    table_.end(number);
    connection.stage = connection.is_identified() ? Stage::open : Stage::unidentified;
    connection.last_item = core_.time().tick;
    ListenerCounters& counters = core_.counters_of(connection);
    counters.opening.decrement();
    counters.accepted.increment();
    core_.handler.on_open(connection, number, core_.time());
    receiver_.read(connection, ReadUntil::end);
}

bool Preamble::finalize(Connection& connection, const CloseInfo& info) {
    const Token number = core_.number_of(connection);
    const PreambleState state = *table_.find(number);
    table_.end(number);
    const bool is_known = state.step == PreambleState::Step::turn ? finalize_waiting(connection, info)
                                                                  : finalize_begun(connection, state, info);
    if (state.turned_away) return false;
    if (!is_known) {
        core_.counters_of(connection).health_checks.increment();
        return false;
    }
    core_.counters_of(connection).accepted.increment();
    core_.handler.on_open(connection, number, core_.time());
    return true;
}

bool Preamble::finalize_waiting(Connection& connection, const CloseInfo& info) {
    listeners_.quit_queue(connection);
    return core_.policy_of(connection).proxy_protocol == ProxyProtocol::off || kind_of(info.reason) != ReasonKind::peer;
}

bool Preamble::finalize_begun(Connection& connection, const PreambleState& state, const CloseInfo& info) {
    ListenerCounters& counters = core_.counters_of(connection);
    if (state.own) {
        counters.health_checks_open.decrement();
    } else {
        counters.connections.decrement();
        counters.opening.decrement();
    }
    if (state.in_handshake) {
        half_open_.remove(core_.number_of(connection));
        core_.admission.handshakes().give_back();
        counters.handshakes.decrement();
        counters.handshakes_failed.increment();
    }
    if (state.own) return false;
    return !state.bare || kind_of(info.reason) != ReasonKind::peer;
}

}  // namespace holdfast
