#include "conn/sender.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/kernel.h"
#include "conn/memory_pressure.h"
#include "conn/receiver.h"
#include "tls/tls_session.h"

namespace holdfast {

SendOutcome Sender::send(Connection& connection, std::string_view framed) {
    if (connection.pending_error != 0 || connection.parting) return SendOutcome::no_such_connection;
    if (connection.downlink && connection.downlink->waiting() > 0) {
        if (connection.downlink->waiting() + framed.size() > core_.policy_of(connection).downlink_queue)
            return SendOutcome::queue_full;
        const MemoryPressure::Note note(memory_, connection);
        connection.downlink->append(framed);
        if (core_.is_kept) connection.downlink->bounds.add(framed.size(), false);
        return SendOutcome::queued;
    }
    const KeptMark mark = mark_sending(core_.kept, core_.number_of(connection), framed.size());
    const ssize_t sent = put(connection, framed);
    if (sent < 0 && errno != EAGAIN) {
        fail(connection, errno);
        return SendOutcome::no_such_connection;
    }
    const auto taken = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    // TLS has encrypted the bytes into a record and cannot return them.
    const bool is_begun = taken > 0 || connection.encrypted;
    if (!is_begun && framed.size() > core_.policy_of(connection).downlink_queue) return SendOutcome::queue_full;
    // Before the bytes are counted: they show to the next process whether this is done.
    if (taken < framed.size()) core_.kept.owed.add(core_.number_of(connection), taken > 0);
    connection.quiet = false;
    connection.count_bytes_out(taken);
    core_.counters_of(connection).bytes_out.add(taken);
    connection.under_watch = true;
    if (taken < framed.size()) enqueue(connection, framed.substr(taken), taken > 0);
    return SendOutcome::queued;
}

void Sender::enqueue(Connection& connection, std::string_view framed, bool is_begun) {
    const MemoryPressure::Note note(memory_, connection);
    if (!connection.downlink) connection.downlink = std::make_unique<Downlink>();
    Downlink& downlink = *connection.downlink;
    downlink.append(framed);
    if (core_.is_kept) downlink.bounds.add(framed.size(), is_begun);
    if (!std::exchange(downlink.watches_write, true)) notify_when_writable(connection);
}

void Sender::flush(Connection& connection) {
    if (!connection.downlink) return;
    const MemoryPressure::Note note(memory_, connection);
    Downlink& downlink = *connection.downlink;
    if (downlink.waiting() > 0) flush_queue(connection, downlink);
}

void Sender::flush_queue(Connection& connection, Downlink& downlink) {
    const Token number = core_.number_of(connection);
    while (downlink.waiting() > 0) {
        const KeptMark mark = mark_sending(core_.kept, number, downlink.waiting());
        const ssize_t sent = put(connection, std::string_view(downlink.queue).substr(downlink.sent));
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) return fail(connection, errno);
        downlink.sent += static_cast<std::size_t>(sent);
        downlink.bounds.take(static_cast<std::size_t>(sent));
        downlink.waiting() > 0 ? core_.kept.owed.change(number, downlink.bounds.is_cut())
                               : core_.kept.owed.remove(number);
        connection.count_bytes_out(static_cast<std::size_t>(sent));
        core_.counters_of(connection).bytes_out.add(static_cast<std::uint64_t>(sent));
    }
    downlink.queue = std::string();  // an idle connection holds no buffer
    downlink.sent = 0;
}

/// Keeps the first errno, which is the peer's. This errno decides the reason once the last bytes of the connection were
/// read.
void Sender::fail(Connection& connection, int error) {
    if (connection.pending_error == 0) connection.pending_error = static_cast<std::uint8_t>(error);
    receiver_.read_later(connection);
}

void Sender::notify_when_writable(Connection& connection) {
    const Token number = core_.number_of(connection);
    const int error = core_.reactor.poller().modify(connection.fd, awaited_events | EPOLLOUT, number);
    if (error != 0) core_.close_by_kernel(connection, error, IoPhase::register_);
}

/// Writes bytes; returns like send(2).
ssize_t Sender::put(Connection& connection, std::string_view bytes) {
    if (connection.encrypted) return put_encrypted(connection, bytes);
    return kernel::send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

/// Writes bytes through TLS. The next call must begin with the bytes that were not taken.
ssize_t Sender::put_encrypted(Connection& connection, std::string_view bytes) {
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

}  // namespace holdfast
