#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "conn/shard.h"

namespace holdfast {

namespace {

// A connection that always has more must leave the turn to others.
constexpr int reads_per_turn = 4;
// Turns' shares of records for the last words of a connection under TLS: small records are many.
constexpr int last_tls_reads = 4;

// How often to look whether a downlink item was acknowledged: a round trip is rarely shorter, and patience long.
constexpr std::chrono::milliseconds first_ack_look{1};
constexpr std::chrono::milliseconds last_ack_look{50};

}  // namespace

/// Once readiness has had its share of the turn, the rest is read by read_those_left: an edge is announced once.
void Shard::read_or_later(Connection& connection, ReadUntil until) {
    const bool waits = connection.throttled && until == ReadUntil::short_read;
    if (!waits && reactor_.first_share().is_spent()) return read_later(connection);
    read(connection, until);
}

void Shard::read(Connection& connection, ReadUntil until) {
    if (connection.dying) return;
    if (connection.held || connection.encrypted) [[unlikely]]
        return connection.held ? step_preamble(connection, until) : read_encrypted(connection, until);
    if (connection.throttled && until == ReadUntil::short_read) return;  // whoever lifts it reads
    for (int round = 0; round < reads_per_turn; ++round) {
        if (!reading_allowed()) break;
        const std::span<char> landing = buffer_.landing();
        const ssize_t arrived = ::recv(connection.fd, landing.data(), landing.size(), 0);
        if (arrived > 0) {
            if (!take(connection, static_cast<std::size_t>(arrived))) return;
            // Edge-triggered: a short read emptied the socket, and what comes next is announced anew.
            if (static_cast<std::size_t>(arrived) < landing.size() && until == ReadUntil::short_read) return;
            continue;
        }
        if (arrived == 0) return end_by_peer(connection);
        const int error = errno;
        if (error == EINTR) continue;
        if (error == EAGAIN && connection.pending_error == 0) return;
        // The socket gives its errno out once: if a send took it, read now says 0 or EAGAIN.
        const bool taken_by_send = connection.pending_error != 0;
        return end_by_kernel(connection, taken_by_send ? connection.pending_error : error,
                             taken_by_send ? IoPhase::write : IoPhase::read);
    }
    read_later(connection);
}

/// Hands on what arrived. False: the connection is dying, or must not be read on for now.
bool Shard::take(Connection& connection, std::size_t arrived) {
    const HoldingNote note(*this, connection);
    const std::uint64_t items = connection.items;
    connection.quiet = false;
    connection.count_bytes_in(arrived);
    listener_counters_[connection.listener]->bytes_in.add(arrived);
    const std::uint64_t scan = connection.unfinished ? connection.unfinished->scan : 0;
    const auto kept = connection.unfinished ? connection.unfinished->bytes() : std::span<const char>();
    const auto window = buffer_.window(kept, arrived);
    Taken taken;
    try {
        taken = handler_.on_bytes(connection, registry_.number_of(connection), window, scan, time());
    } catch (const std::bad_alloc&) {
        taken.end = CloseReason::out_of_memory;
    }
    if (taken.end) {
        refuse(connection, *taken.end, taken.detail);
        return false;
    }
    if (connection.items != items) resumed_reads_.forget(registry_.number_of(connection));
    const auto rest = window.subspan(taken.consumed);
    const bool same_item = taken.consumed == 0 && connection.unfinished;
    if (!keep_unfinished(connection, same_item ? rest.last(arrived) : rest, same_item)) {
        admission_.buffers().exhausted();
        close(connection, CloseReason::out_of_memory, "no memory for the bytes of an unfinished item");
        return false;
    }
    if (connection.unfinished) connection.unfinished->scan = taken.scan;
    connection.held = taken.hold;
    charge(connection, connection.items - items, arrived);
    mind_memory(connection);
    return !taken.hold && !connection.throttled;
}

/// Hands on what is left of a stream that its sender has ended in order.
void Shard::take_last_bytes(Connection& connection) {
    if (!connection.unfinished || connection.held) return;
    const HoldingNote note(*this, connection);
    const auto window = buffer_.window(connection.unfinished->bytes(), 0);
    Taken taken;
    try {
        taken = handler_.on_last_bytes(connection, registry_.number_of(connection), window, time());
    } catch (const std::bad_alloc&) {
        taken.end = CloseReason::out_of_memory;
    }
    if (taken.end) close(connection, *taken.end, taken.detail);
    if (taken.end || taken.consumed > 0) connection.unfinished.reset();
}

/// The stream has been read to its end. A send may have taken the errno of what came behind that: EPIPE is that of a
/// reset after the peer's FIN (net/ipv4/tcp_input.c, tcp_reset); any other means that no FIN came.
void Shard::end_by_peer(Connection& connection) {
    const int of_send = connection.pending_error;
    if (of_send == 0 || of_send == EPIPE) take_last_bytes(connection);
    connection.peer_ended = true;
    end_by_kernel(connection, of_send, of_send != 0 ? IoPhase::write : IoPhase::read);
}

void Shard::release(Connection& connection) {
    if (!connection.held) return;
    connection.held = false;
    connection.last_item = time().tick;  // that it had to wait is not its fault
    if (connection.unfinished) {
        connection.unfinished->began = time().tick;
        if (!take(connection, 0)) return;
    }
    read_later(connection);
}

void Shard::close_after_reading(Connection& connection, CloseReason reason, std::string_view detail) {
    const int rounds = connection.encrypted ? last_tls_reads : 1;
    for (int round = 0; round < rounds && !connection.dying; ++round) {
        connection.read_again = false;
        read(connection, ReadUntil::end);
        if (!connection.read_again) break;
    }
    close(connection, reason, detail);
}

void Shard::refuse(Connection& connection, CloseReason reason, std::string_view detail) {
    const HoldingNote note(*this, connection);
    connection.unfinished.reset();
    close(connection, reason, detail);
}

bool Shard::keep_unfinished(Connection& connection, std::span<const char> rest, bool same_item) {
    if (!same_item) connection.unfinished.reset();
    if (rest.empty()) return true;
    if (!append(connection.unfinished, rest)) return false;
    if (!same_item) connection.unfinished->began = time().tick;
    return true;
}

void Shard::read_later(Connection& connection) {
    if (connection.read_again || connection.dying) return;
    connection.read_again = true;
    read_again_.push_back(registry_.number_of(connection));
}

/// In the order in which they came to wait; those that the turn has no time for stay in front of those that wait again.
void Shard::read_those_left() {
    if (read_again_.empty() && !paused_) return;
    if (!reading_allowed()) return;
    const TimeShare share = reactor_.share_from_now();
    const std::vector<Token> waiting = std::exchange(read_again_, {});
    auto next = waiting.begin();
    while (next != waiting.end() && (next == waiting.begin() || !share.is_spent())) {
        Connection* connection = registry_.find(*next++);
        if (connection == nullptr) continue;
        connection->read_again = false;
        read(*connection, ReadUntil::end);
    }
    read_again_.insert(read_again_.begin(), next, waiting.end());
}

void Shard::end_by_kernel(Connection& connection, int error, IoPhase phase, std::string_view detail) {
    Death death{.reason = CloseReason::internal_error, .error = error, .detail = detail, .evidence = {}};
    if (const auto facts = read_tcp_facts(connection.fd)) death.evidence = facts->evidence;
    death.reason = judge_close(error, phase, death.evidence, policy_of(connection).plan.user_timeout);
    close(connection, death);
}

SendOutcome Shard::send(Connection& connection, std::string_view framed) {
    if (connection.pending_error != 0 || connection.parting) return SendOutcome::no_such_connection;
    if (connection.downlink && connection.downlink->waiting() > 0) {
        if (connection.downlink->waiting() + framed.size() > policy_of(connection).downlink_queue)
            return SendOutcome::queue_full;
        const HoldingNote note(*this, connection);
        connection.downlink->queue.append(framed);
        return SendOutcome::queued;
    }
    const ssize_t sent = put(connection, framed);
    if (sent < 0 && errno != EAGAIN) {
        fail_write(connection, errno);
        return SendOutcome::no_such_connection;
    }
    const auto taken = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    // TLS has made a record of them that it cannot take back.
    const bool is_begun = taken > 0 || connection.encrypted;
    if (!is_begun && framed.size() > policy_of(connection).downlink_queue) return SendOutcome::queue_full;
    connection.quiet = false;
    connection.count_bytes_out(taken);
    listener_counters_[connection.listener]->bytes_out.add(taken);
    connection.under_watch = true;
    if (taken < framed.size()) queue_downlink(connection, framed.substr(taken));
    return SendOutcome::queued;
}

void Shard::queue_downlink(Connection& connection, std::string_view framed) {
    const HoldingNote note(*this, connection);
    if (!connection.downlink) connection.downlink = std::make_unique<Downlink>();
    Downlink& downlink = *connection.downlink;
    downlink.queue.erase(0, std::exchange(downlink.sent, 0));
    downlink.queue.append(framed);
    if (std::exchange(downlink.watches_write, true)) return;
    const Token number = registry_.number_of(connection);
    if (const int error = reactor_.poller().modify(connection.fd, awaited_events | EPOLLOUT, number); error != 0) {
        end_by_kernel(connection, error, IoPhase::register_);
    }
}

void Shard::flush_downlink(Connection& connection) {
    if (!connection.downlink) return;
    const HoldingNote note(*this, connection);
    Downlink& downlink = *connection.downlink;
    while (downlink.waiting() > 0) {
        const ssize_t sent = put(connection, std::string_view(downlink.queue).substr(downlink.sent));
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) return fail_write(connection, errno);
        downlink.sent += static_cast<std::size_t>(sent);
        connection.count_bytes_out(static_cast<std::size_t>(sent));
        listener_counters_[connection.listener]->bytes_out.add(static_cast<std::uint64_t>(sent));
    }
    downlink.queue = std::string();  // an idle connection holds no buffer
    downlink.sent = 0;
}

void Shard::when_acknowledged(Token number, SteadyTime deadline, std::function<void(bool)> done) {
    const Connection* connection = registry_.find(number);
    if (connection == nullptr) return done(false);
    const std::uint64_t waiting = connection->downlink ? connection->downlink->waiting() : 0;
    look_for_ack(ack_waits_.insert(ack_waits_.end(), {.number = number,
                                                      .bytes = connection->bytes_out + waiting,
                                                      .deadline = deadline,
                                                      .pause = first_ack_look,
                                                      .done = std::move(done)}));
}

void Shard::look_for_ack(AckWaits::iterator wait) {
    const Connection* connection = registry_.find(wait->number);
    const auto facts = connection == nullptr ? std::nullopt : read_tcp_facts(connection->fd);
    const bool acknowledged = facts && connection->bytes_out >= wait->bytes + facts->evidence.unacked_bytes;
    if (!facts || acknowledged || reactor_.now() >= wait->deadline) {
        const auto done = std::move(wait->done);
        ack_waits_.erase(wait);
        return done(acknowledged);
    }
    reactor_.run_at(std::min(reactor_.now() + wait->pause, wait->deadline), [this, wait] { look_for_ack(wait); });
    wait->pause = std::min(2 * wait->pause, last_ack_look);
}

/// The first errno, which is the one of the peer, is kept until the connection's last words have been read; then it is
/// judged.
void Shard::fail_write(Connection& connection, int error) {
    if (connection.pending_error == 0) connection.pending_error = static_cast<std::uint8_t>(error);
    read_later(connection);
}

}  // namespace holdfast
