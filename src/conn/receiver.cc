#include "conn/receiver.h"

#include <sys/socket.h>

#include <cerrno>
#include <new>
#include <utility>

#include "base/kernel.h"
#include "base/plant.h"
#include "conn/admission.h"
#include "conn/memory_pressure.h"
#include "conn/preamble.h"
#include "conn/sender.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

// Limits of one connection per turn, in receive buffers, so that a fast sender does not delay the others.
constexpr int reads_per_turn = 4;
constexpr int tls_windows_per_turn = 4;
// Rounds for the last bytes of a TLS connection, each with a turn's share of records, since records may be small.
constexpr int last_tls_reads = 4;
constexpr std::chrono::milliseconds paused_recheck{5};
/// Longest hold after the peer's FIN, and longest wait for answers. Bytes of a held connection stay unread after that.
constexpr std::chrono::seconds longest_wait_after_end{10};
constexpr std::string_view unanswered = "some answers were not sent within 10 s of the peer's FIN";
constexpr std::string_view end_of_half_close = "the time of half_close after the peer's FIN is over";
constexpr std::string_view left_unread = "received bytes were left unread, as reading was paused";

}  // namespace

void Receiver::on_ready(Connection& connection, std::uint32_t events) {
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        see_end(connection, events);
    } else if ((events & EPOLLPRI) != 0 && !connection.throttled) {
        read_or_later(connection, ReadUntil::end);  // recv(2) stops at the urgent byte, though more may follow
    } else if ((events & EPOLLIN) != 0 || connection.encrypted) {  // TLS may have waited to write
        read_or_later(connection, ReadUntil::short_read);
    }
}

/// Reads now, or in read_waiting() once the turn's share for readiness is spent. Each edge is reported once only.
void Receiver::read_or_later(Connection& connection, ReadUntil until) {
    const bool waits = connection.throttled && until == ReadUntil::short_read;
    if (!waits && core_.reactor.first_share().is_spent()) return read_later(connection);
    read(connection, until);
}

void Receiver::read(Connection& connection, ReadUntil until) {
    if (connection.is_closing()) return;
    if (connection.is_opening() || connection.is_paused() || connection.encrypted) [[unlikely]]
        return read_unusual(connection, until);
    read_plain(connection, until);
}

void Receiver::read_unusual(Connection& connection, ReadUntil until) {
    if (connection.is_opening()) return preamble_.step(connection, until);
    if (!connection.is_paused()) read_encrypted(connection, until);
}

void Receiver::read_plain(Connection& connection, ReadUntil until) {
    if (connection.throttled && until == ReadUntil::short_read) return;  // the part that ends the pause reads
    for (int round = 0; round < reads_per_turn; ++round) {
        if (!may_read()) break;
        const std::span<char> landing = core_.buffer.landing();
        const KeptMark mark(core_.kept.reading, core_.number_of(connection));
        const ssize_t arrived = kernel::recv(connection.fd, landing.data(), landing.size(), 0);
        if (arrived > 0) {
            if (!take(connection, static_cast<std::size_t>(arrived))) return;
            // Edge-triggered: a short read emptied the socket, and the poller reports new input.
            if (static_cast<std::size_t>(arrived) < landing.size() && until == ReadUntil::short_read) return;
            continue;
        }
        if (arrived == 0) return end_by_peer(connection);
        const int error = errno;
        if (error == EINTR) continue;
        if (error == EAGAIN && connection.pending_error == 0) return;
        // The socket returns its errno once: after a send took it, a read gives 0 or EAGAIN.
        const bool taken_by_send = connection.pending_error != 0;
        return core_.close_by_kernel(connection, taken_by_send ? connection.pending_error : error,
                                     taken_by_send ? IoPhase::write : IoPhase::read);
    }
    read_later(connection);
}

/// Reads like read_plain(). A short read does not prove that nothing is left, since a record may be decrypted already.
void Receiver::read_encrypted(Connection& connection, ReadUntil until) {
    if (connection.throttled && until == ReadUntil::short_read) return;
    TlsSession& session = core_.tls.of(connection.fd);
    session.begin_turn();
    for (int window = 0; window < tls_windows_per_turn; ++window) {
        if (!may_read()) break;
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

void Receiver::end_by_tls(Connection& connection, const TlsOutcome& outcome) {
    const int pending = connection.pending_error;
    switch (outcome.step) {
        case TlsStep::want_write:
            sender_.notify_when_writable(connection);
            [[fallthrough]];
        case TlsStep::done:
        case TlsStep::want_read:
            if (pending != 0) core_.close_by_kernel(connection, pending, IoPhase::write);
            return;
        case TlsStep::closed:
            return end_by_peer(connection);
        case TlsStep::truncated:
            return core_.close_by_kernel(connection, pending, pending != 0 ? IoPhase::write : IoPhase::read,
                                         "closed without the close_notify of TLS; the last bytes may be missing");
        case TlsStep::broken:
            return core_.close_by_kernel(connection, pending != 0 ? pending : outcome.error,
                                         pending != 0 ? IoPhase::write : IoPhase::read);
        case TlsStep::failed:
            return core_.close(connection, CloseReason::tls_failed, outcome.detail);
    }
}

ReadResult Receiver::parse(Connection& connection, std::span<const char> window) {
    const std::uint64_t scan = connection.unfinished ? connection.unfinished->scan : 0;
    ReadResult taken;
    try {
        taken = core_.handler.on_bytes(connection, core_.number_of(connection), window, scan, core_.time());
    } catch (const std::bad_alloc&) {
        taken.end = CloseReason::out_of_memory;
        taken.detail = "no memory for an item";
    }
    return taken;
}

bool Receiver::take(Connection& connection, std::size_t arrived) {
    const MemoryPressure::Note note(memory_, connection);
    const std::uint64_t items = connection.items;
    const auto kept = connection.unfinished ? connection.unfinished->bytes() : std::span<const char>();
    const auto window = core_.buffer.window(kept, arrived);
    const KeptMark mark = mark_handing_on(core_.kept, core_.number_of(connection), window);
    connection.quiet = false;
    connection.count_bytes_in(arrived);
    core_.counters_of(connection).bytes_in.add(arrived);
    const bool is_cut_off = connection.is_closing();  // its last bytes are taken behind its close
    const ReadResult taken = parse(connection, window);
    if (taken.end) refuse(connection, *taken.end, taken.detail);
    if (!is_cut_off && connection.is_closing()) [[unlikely]] {  // the handler has counted the rest
        connection.unfinished.reset();
        return false;
    }
    if (taken.end) return false;
    if (connection.items != items) core_.resumed_reads.forget(core_.number_of(connection));
    const auto rest = window.subspan(taken.consumed);
    const bool same_item = taken.consumed == 0 && connection.unfinished;
    const Tick began = taken.same_item && connection.unfinished ? connection.unfinished->began : core_.time().tick;
    if (!keep_unfinished(connection, same_item ? rest.last(arrived) : rest, same_item)) return false;
    if (connection.unfinished) connection.unfinished->scan = taken.scan;
    if (connection.unfinished && !same_item) connection.unfinished->began = began;
    if (taken.in_array && connection.unfinished) *connection.unfinished->data() = '[';  // the rest is an array, too
    connection.paused = taken.hold;
    memory_.charge(connection, connection.items - items, arrived);
    memory_.check(connection);
    return !connection.is_paused() && !connection.throttled;
}

bool Receiver::keep_unfinished(Connection& connection, std::span<const char> rest, bool same_item) {
    if (!same_item) connection.unfinished.reset();
    if (rest.empty() || append(connection.unfinished, rest)) return true;
    core_.admission.buffers().exhausted();
    core_.counters_of(connection).left_over_bytes.add(rest.size());
    core_.close(connection, CloseReason::out_of_memory, "no memory for the bytes of an unfinished item");
    return false;
}

void Receiver::take_last_bytes(Connection& connection) {
    if (!connection.unfinished || connection.is_paused()) return;
    const MemoryPressure::Note note(memory_, connection);
    const auto window = core_.buffer.window(connection.unfinished->bytes(), 0);
    ReadResult taken;
    try {
        taken = core_.handler.on_last_bytes(connection, core_.number_of(connection), window, core_.time());
    } catch (const std::bad_alloc&) {
        taken.end = CloseReason::out_of_memory;
    }
    if (taken.end) core_.close(connection, *taken.end, taken.detail);
    if (taken.end || taken.consumed > 0) connection.unfinished.reset();
}

/// Ends a connection whose stream was read to its end. A send may have taken the errno of a later event. EPIPE means a
/// reset after the peer's FIN (net/ipv4/tcp_input.c, tcp_reset); any other errno means that no FIN came.
void Receiver::end_by_peer(Connection& connection) {
    const int of_send = connection.pending_error;
    const bool again = core_.half_closed.contains(core_.number_of(connection));
    if (!again && (of_send == 0 || of_send == EPIPE)) take_last_bytes(connection);
    connection.peer_ended = true;
    if (of_send == 0 && owes_answers(connection)) return again ? void() : answer_first(connection);
    if (again && connection.encrypted) core_.tls.of(connection.fd).farewell();
    core_.close_by_kernel(connection, of_send, of_send != 0 ? IoPhase::write : IoPhase::read);
}

bool Receiver::owes_answers(const Connection& connection) const {
    if (connection.is_closing() || connection.parting) return false;  // nothing is sent after FIN
    const bool is_queued = connection.downlink && connection.downlink->waiting() > 0;
    // After FIN, an unauthenticated device cannot authenticate any more.
    const bool stays = core_.policy_of(connection).half_close && !core_.is_unauthenticated(connection);
    return is_queued || stays || core_.handler.owes_answers(connection, core_.number_of(connection));
}

/// Keeps a connection whose peer has only sent FIN and may still read (RFC 9293, 3.6). Waits for its answers, or for
/// the time of `half_close`.
void Receiver::answer_first(Connection& connection) {
    const Token number = core_.number_of(connection);
    core_.half_closed.emplace(number, core_.info_by_kernel(connection, 0, IoPhase::read));
    const auto wait = core_.policy_of(connection).half_close.value_or(longest_wait_after_end);
    core_.ends_that_wait.add(core_.reactor.attended() + wait, {.number = number, .is_half_closed = true});
    drop_rest(connection);
}

/// Frees the bytes of an item that can have no end any more.
void Receiver::drop_rest(Connection& connection) {
    if (!connection.unfinished) return;
    const MemoryPressure::Note note(memory_, connection);
    core_.handler.on_left_over(connection, core_.number_of(connection));
    connection.unfinished.reset();
}

void Receiver::release(Connection& connection) {
    if (!connection.paused) return;
    connection.paused = false;
    if (!connection.held) resume(connection);
}

void Receiver::release_held(Connection& connection) {
    if (!connection.held) return;
    connection.held = false;
    if (!connection.paused) resume(connection);
}

void Receiver::deliver_held(Connection& connection) {
    while (connection.held && !connection.is_closing()) release_held(connection);
}

void Receiver::resume(Connection& connection) {
    connection.last_item = core_.time().tick;  // the device did not cause the wait
    if (connection.unfinished) {
        connection.unfinished->began = core_.time().tick;
        if (!take(connection, 0)) return;
    }
    read_later(connection);
}

void Receiver::close_after_reading(Connection& connection, CloseReason reason, std::string_view detail) {
    const int rounds = connection.encrypted ? last_tls_reads : 1;
    for (int round = 0; round < rounds && !connection.is_closing(); ++round) {
        connection.read_again = false;
        read(connection, ReadUntil::end);
        if (!connection.read_again) break;
    }
    core_.close(connection, reason, detail);
}

void Receiver::refuse(Connection& connection, CloseReason reason, std::string_view detail) {
    const MemoryPressure::Note note(memory_, connection);
    connection.unfinished.reset();
    core_.close(connection, reason, detail);
}

void Receiver::read_later(Connection& connection) {
    if (connection.read_again || connection.is_closing()) return;
    connection.read_again = true;
    waiting_.push_back(core_.number_of(connection));
}

/// Connections without time in this turn stay ahead of those that are scheduled again.
void Receiver::read_waiting() {
    if (waiting_.empty() && !paused_) return;
    if (!may_read()) return;
    const TimeShare share = core_.reactor.share_from_now();
    const std::vector<Token> waiting = std::exchange(waiting_, {});
    auto next = waiting.begin();
    while (next != waiting.end() && (next == waiting.begin() || !share.is_spent())) {
        Connection* connection = core_.registry.find(*next++);
        if (connection == nullptr) continue;
        connection->read_again = false;
        read(*connection, ReadUntil::end);
    }
    waiting_.insert(waiting_.begin(), next, waiting.end());
}

bool Receiver::may_read() {
    if (memory_.blocks_reading()) [[unlikely]]
        return false;
    if (core_.handler.ready()) {
        if (std::exchange(paused_, false)) {
            core_.read_time.miss(core_.reactor.now(), core_.reactor.attended() - paused_since_);
            core_.counters.reading_paused.decrement();
        }
        return true;
    }
    if (!std::exchange(paused_, true)) {
        paused_since_ = core_.reactor.attended();
        core_.counters.reading_paused.increment();
    }
    recheck_soon();
    return false;
}

/// Schedules a turn, in which read_waiting() calls the handler again.
void Receiver::recheck_soon() {
    if (std::exchange(rechecks_, true)) return;
    core_.reactor.run_at(core_.reactor.now() + paused_recheck, [this] { rechecks_ = false; });
}

// Paused reading (docs/explanation/liveness.md, "Paused reading") has four causes: a hold, an exceeded rate, a large
// item under memory pressure, and a handler that accepts nothing. The end of a paused connection is still detected.

bool Receiver::is_waiting(const Connection& connection) const {
    if (connection.is_opening() || connection.is_paused() || connection.throttled || connection.read_again) return true;
    return paused_ || core_.half_closed.contains(core_.number_of(connection));
}

/// Handles FIN, RST or the kernel's end of the connection. No further bytes can arrive, so the receive buffer bounds
/// its rate and memory.
void Receiver::see_end(Connection& connection, std::uint32_t events) {
    // An interrupted read may have left bytes in the TLS session too.
    const bool may_hold_some = connection.encrypted && (connection.read_again || connection.throttled);
    connection.peer_ended = true;
    connection.throttled = false;
    const bool is_dead = (events & (EPOLLERR | EPOLLHUP)) != 0;
    const auto waiting = core_.half_closed.find(core_.number_of(connection));
    if (is_dead && waiting != core_.half_closed.end()) {
        if (!core_.policy_of(connection).half_close) return core_.close(connection, waiting->second);
        return core_.close_by_kernel(connection, take_error(connection.fd), IoPhase::read);
    }
    if (connection.is_paused()) core_.handler.on_end_while_held(connection, core_.number_of(connection), EndedBy::peer);
    if (is_dead) deliver_held(connection);
    if (connection.is_paused()) {
        if (is_dead) return end_unread(connection);
        core_.ends_that_wait.add(core_.reactor.attended() + longest_wait_after_end,
                                 {.number = core_.number_of(connection), .is_half_closed = false});
    } else if (is_dead && !may_read() && !may_hold_some && unread_bytes(connection.fd) == 0) {
        end_unread(connection);
    } else if (planted("bytes_lost_at_fin") && !is_dead) {
        end_by_peer(connection);
    } else {
        read_or_later(connection, ReadUntil::end);
    }
}

/// Closes a connection without reading what has arrived.
void Receiver::end_unread(Connection& connection) {
    const bool has_unread = unread_bytes(connection.fd) > 0;
    const int of_send = connection.pending_error;
    const int error = of_send != 0 ? of_send : take_error(connection.fd);
    const bool ended_in_order = error == 0 || error == EPIPE;  // see end_by_peer()
    if (ended_in_order && !has_unread && !connection.encrypted) take_last_bytes(connection);
    core_.close_by_kernel(connection, error, of_send != 0 ? IoPhase::write : IoPhase::read,
                          has_unread ? left_unread : std::string_view());
}

/// Ends expired holds and waits. A device that numbers its items sends the unacknowledged ones again.
void Receiver::end_long_waits() {
    while (const auto over = core_.ends_that_wait.take_over(core_.reactor.attended())) {
        Connection* connection = core_.registry.find(over->number);
        if (connection == nullptr) continue;
        deliver_held(*connection);
        if (connection->is_paused()) end_unread(*connection);
        const auto waiting = core_.half_closed.find(over->number);
        // The end of an earlier hold is not the end of this wait.
        if (!over->is_half_closed || waiting == core_.half_closed.end()) continue;
        const bool is_planned = core_.policy_of(*connection).half_close.has_value();
        waiting->second.detail = is_planned ? end_of_half_close : unanswered;
        core_.close(*connection, waiting->second);
    }
}

void Receiver::read_last_bytes(Connection& connection) {
    if (connection.is_opening()) return;
    if (connection.is_paused())
        core_.handler.on_end_while_held(connection, core_.number_of(connection), EndedBy::gateway);
    if (connection.is_paused() || connection.is_closing() || paused_) return;
    connection.throttled = false;
    connection.peer_ended = true;
    read(connection, ReadUntil::end);
}

}  // namespace holdfast
