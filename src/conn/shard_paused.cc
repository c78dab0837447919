#include <cerrno>

#include "conn/shard.h"
#include "tcp/socket_options.h"

namespace holdfast {

// Paused reading (docs/explanation/liveness.md, "Paused reading"): a connection that is held, over its rate, large
// while memory is short, or whose handler takes nothing. Its end is seen all the same.

namespace {

constexpr std::string_view left_unread = "bytes that had arrived before the end were left unread: reading was paused";

}  // namespace

bool Shard::waits_to_be_read(const Connection& connection) const {
    return connection.held || connection.throttled || connection.read_again || paused_;
}

/// The peer has sent FIN or RST, or the kernel has given it up. No more comes than what has arrived, so that its rate
/// and its memory are bounded by the receive buffer.
void Shard::see_end(Connection& connection, std::uint32_t events) {
    // A read that was cut short may have left bytes in the TLS session, too.
    const bool may_hold_some = connection.encrypted && (connection.read_again || connection.throttled);
    connection.peer_ended = true;
    connection.throttled = false;
    const bool is_dead = (events & (EPOLLERR | EPOLLHUP)) != 0;
    if (connection.held && !is_opening(connection))
        core_.handler.on_end_while_held(connection, core_.number_of(connection), EndedBy::peer);
    if (connection.held && !is_opening(connection)) {
        if (is_dead) return end_unread(connection);
        ended_while_held_.emplace_back(core_.number_of(connection), core_.reactor.attended() + longest_hold_after_end);
    } else if (is_dead && !reading_allowed() && !may_hold_some && unread_bytes(connection.fd) == 0) {
        end_unread(connection);
    } else {
        read_or_later(connection, ReadUntil::end);
    }
}

/// Ends a connection without reading what has arrived.
void Shard::end_unread(Connection& connection) {
    const bool has_unread = unread_bytes(connection.fd) > 0;
    const int of_send = connection.pending_error;
    const int error = of_send != 0 ? of_send : take_error(connection.fd);
    const bool ended_in_order = error == 0 || error == EPIPE;  // see end_by_peer
    if (ended_in_order && !has_unread && !connection.encrypted) take_last_bytes(connection);
    core_.close_by_kernel(connection, error, of_send != 0 ? IoPhase::write : IoPhase::read,
                          has_unread ? left_unread : std::string_view());
}

/// Ends the held connections whose peer has sent FIN and whose hold lasts too long: a device that numbers its items
/// sends again what was not acknowledged.
void Shard::end_long_holds() {
    while (!ended_while_held_.empty() && ended_while_held_.front().second <= core_.reactor.attended()) {
        Connection* connection = core_.registry.find(ended_while_held_.front().first);
        ended_while_held_.pop_front();
        if (connection != nullptr && connection->held) end_unread(*connection);
    }
}

/// A verdict on a silent peer is final: what had arrived before is read if it can be.
void Shard::read_last_bytes(Connection& connection) {
    if (connection.held || paused_) return;
    connection.throttled = false;
    connection.peer_ended = true;
    read(connection, ReadUntil::end);
}

}  // namespace holdfast
