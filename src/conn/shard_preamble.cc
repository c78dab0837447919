#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "conn/shard.h"
#include "tcp/proxy_header.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds preamble_recheck{100};

}  // namespace

// A connection whose listener wants more than bytes of items begins with a preamble: until that is over nothing of it
// is read as items (it is `held`), and the handler has not been told of it.

void Shard::begin_preamble(Connection& connection, Entry entry) {
    connection.held = true;
    core_.counters_of(connection).opening.increment();
    const bool proxied = core_.policy_of(connection).proxy_protocol != ProxyProtocol::off;
    preambles_.begin(core_.number_of(connection),
                     {.step = proxied ? Preamble::Step::header : Preamble::Step::handshake,
                      .bare = proxied,
                      .corpse = entry == Entry::corpse,
                      .began = core_.reactor.now()},
                     core_.reactor.attended());
    watch_preambles();
}

/// One timer for all: the next to run out of time.
void Shard::watch_preambles() {
    const auto next = preambles_.next_deadline();
    if (!next || std::exchange(watches_preambles_, true)) return;
    core_.reactor.run_at_attended(*next, [this] {
        watches_preambles_ = false;
        const TimeShare share = core_.reactor.share_from_now();
        while (const auto number = share.is_spent() ? std::nullopt : preambles_.overdue(core_.reactor.attended())) {
            if (Connection* connection = core_.registry.find(*number)) judge_preamble(*connection);
        }
        watch_preambles();  // at once, if time did not suffice for all
    });
}

/// Returns the time that a slow path adds: a handshake waits for one round trip, or two with a second ClientHello, and
/// a lost segment for as many again.
std::chrono::nanoseconds Shard::time_of_path(const Connection& connection) {
    constexpr std::chrono::seconds longest{20};
    const auto facts = read_tcp_facts(connection.fd);
    return facts ? std::min<std::chrono::nanoseconds>(4 * facts->evidence.rtt, longest) : std::chrono::nanoseconds(0);
}

/// A peer is not late while its bytes wait for the gateway. Those of a PROXY header have been seen each time.
void Shard::judge_preamble(Connection& connection) {
    const Token number = core_.number_of(connection);
    const Preamble& preamble = *preambles_.find(number);
    const SteadyTime now = core_.reactor.attended();
    if (preamble.due > now) return preambles_.put_off(number, preamble.due);
    if (preamble.queued) return preambles_.put_off(number, now + preamble_recheck);
    const bool waits = preamble.step == Preamble::Step::header || unread_bytes(connection.fd) > 0;
    if (waits && now < preamble.due + Preambles::deadline) {
        read(connection, ReadUntil::end);
        if (connection.dying || !preambles_.under_way(number)) return;
        if (preambles_.find(number)->step != Preamble::Step::header) {
            return preambles_.put_off(number, now + preamble_recheck);
        }
    }
    if (const SteadyTime due = preamble.due + time_of_path(connection); due > now)
        return preambles_.put_off(number, due);
    overrun_preamble(connection);
}

void Shard::overrun_preamble(Connection& connection) {
    switch (preambles_.find(core_.number_of(connection))->step) {
        case Preamble::Step::turn:
            return;  // it has no deadline
        case Preamble::Step::header:
            return core_.close(connection, CloseReason::proxy_header_invalid, "no whole PROXY header came within 5 s");
        case Preamble::Step::first_byte:
            if (core_.policy_of(connection).tls == nullptr) return open(connection);  // no health check lasts so long
            [[fallthrough]];
        case Preamble::Step::handshake:
            return core_.close(connection, CloseReason::tls_failed, "the TLS handshake was not finished within 5 s");
    }
}

/// What has arrived takes it as far as it goes.
void Shard::step_preamble(Connection& connection, ReadUntil until) {
    Preamble* preamble = preambles_.find(core_.number_of(connection));
    if (preamble == nullptr) return;  // it is held for its device's numbers
    if (preamble->step == Preamble::Step::turn) return step_waiting(connection);
    if (preamble->step == Preamble::Step::header && !take_proxy_header(connection, *preamble, until)) return;
    if (preamble->step == Preamble::Step::first_byte && !has_arrived(connection)) return;
    if (core_.policy_of(connection).tls == nullptr) return open(connection);
    // A peer that has shut down cannot finish a handshake, and nothing that it sent can be read without one.
    if (preamble->corpse) return core_.close_by_kernel(connection, take_error(connection.fd), IoPhase::read);
    preamble->step = Preamble::Step::handshake;
    shake_later(connection, *preamble);
}

/// Looks at what waits in the kernel, and takes nothing but the header. False: it is not whole, or the last of it.
bool Shard::take_proxy_header(Connection& connection, Preamble& preamble, ReadUntil until) {
    const std::span<char> room = core_.buffer.landing().first(max_proxy_header);
    const ssize_t arrived = ::recv(connection.fd, room.data(), room.size(), MSG_PEEK);
    if (arrived < 0 && errno == EAGAIN) return false;
    if (arrived <= 0) {
        core_.close_by_kernel(connection, arrived == 0 ? 0 : errno, IoPhase::read);
        return false;
    }
    preamble.bare = false;
    const ProxyHeader header =
        parse_proxy_header(core_.policy_of(connection).proxy_protocol, room.first(static_cast<std::size_t>(arrived)));
    switch (header.kind) {
        case ProxyHeader::Kind::partial:
            if (until == ReadUntil::end) end_if_shut(connection);
            return false;
        case ProxyHeader::Kind::invalid:
            core_.close(connection, CloseReason::proxy_header_invalid, header.detail);
            return false;
        case ProxyHeader::Kind::local:
        case ProxyHeader::Kind::relayed:
            break;
    }
    static_cast<void>(::recv(connection.fd, room.data(), header.size, 0));
    if (header.kind == ProxyHeader::Kind::relayed) return move_to(connection, header.peer);
    preamble.step = Preamble::Step::first_byte;
    preamble.bare = true;
    return true;
}

/// Whom the proxy speaks for: from now on the limits are his.
bool Shard::move_to(Connection& connection, const Endpoint& peer) {
    Admission::Pass pass;
    const auto refused = core_.admission.take_share(peer.address, pass);
    connection.peer = peer;
    connection.counts_for_peer = pass.peer;
    connection.counts_for_prefix = pass.prefix;
    if (refused) turn_away(connection, *refused);
    return !refused;
}

void Shard::turn_away(Connection& connection, RefusedBy limit) {
    preambles_.find(core_.number_of(connection))->turned_away = true;
    core_.counters_of(connection).refused[static_cast<std::size_t>(limit)].increment();
    core_.close(connection, Death{});
}

/// False: nothing is there yet, or the connection is over.
bool Shard::has_arrived(Connection& connection) {
    char byte = 0;
    const ssize_t arrived = ::recv(connection.fd, &byte, 1, MSG_PEEK);
    if (arrived <= 0 && !(arrived < 0 && errno == EAGAIN)) {
        core_.close_by_kernel(connection, arrived == 0 ? 0 : errno, IoPhase::read);
    }
    return arrived > 0;
}

/// A peek does not see the end of the stream behind bytes that it leaves.
void Shard::end_if_shut(Connection& connection) {
    pollfd look{connection.fd, POLLRDHUP, 0};
    if (::poll(&look, 1, 0) <= 0) return;
    core_.close_by_kernel(connection, take_error(connection.fd), IoPhase::read);
}

/// The preamble is over, and was good.
void Shard::open(Connection& connection) {
    const Token number = core_.number_of(connection);
    preambles_.end(number);
    connection.held = false;
    connection.last_item = core_.time().tick;
    ListenerCounters& counters = core_.counters_of(connection);
    counters.opening.decrement();
    counters.accepted.increment();
    core_.handler.on_open(connection, number, core_.time());
    read(connection, ReadUntil::end);
}

/// It ended in its preamble. Whether anybody should hear of it: not of a proxy's health check, nor of one that was
/// turned away.
bool Shard::end_preamble(Connection& connection, const Death& death) {
    const Token number = core_.number_of(connection);
    const Preamble preamble = *preambles_.find(number);
    preambles_.end(number);
    ListenerCounters& counters = core_.counters_of(connection);
    counters.opening.decrement();
    if (preamble.shaking) {
        half_open_.remove(number);
        core_.admission.handshakes().give_back();
        counters.handshakes.decrement();
        counters.handshakes_failed.increment();
    }
    const bool health_check = preamble.bare && kind_of(death.reason) == ReasonKind::peer;
    if (health_check && !preamble.turned_away) counters.health_checks.increment();
    if (health_check || preamble.turned_away) return false;
    counters.accepted.increment();
    core_.handler.on_open(connection, number, core_.time());
    return true;
}

}  // namespace holdfast
