#include <sys/socket.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "base/kernel.h"
#include "conn/drainer.h"
#include "conn/memory_pressure.h"
#include "conn/receiver.h"
#include "tcp/peer_state.h"
#include "tcp/socket_options.h"
#include "tcp/tcp_info.h"

namespace holdfast {

namespace {

constexpr int last_reads = 4;  // reads of one receive buffer, as many as in a turn

}  // namespace

/// Releases a held connection that is about to end, so that the bytes that have arrived are read. A device that waits
/// for its numbers stays held, since it sends its items again.
void Drainer::end_hold(Connection& connection) {
    if (!connection.is_paused() || connection.is_closing()) return;
    core_.handler.on_end_while_held(connection, core_.number_of(connection), EndedBy::gateway);
}

/// Closes the connection with the kernel's evidence of this moment.
void Drainer::close(Connection& connection, CloseInfo end) {
    if (const auto facts = read_tcp_facts(connection.fd)) end.evidence = facts->evidence;
    core_.close(connection, end);
}

void Drainer::end_after_flush(Connection& connection, const CloseInfo& order) {
    const bool waits = connection.downlink && connection.downlink->waiting() > 0;
    if (waits) {
        core_.ends_after_flush.emplace(core_.number_of(connection), order);
    } else {
        part(connection, order, core_.reactor.attended() + 2 * Partings::longest);
    }
}

void Drainer::check_flushed(Connection& connection) {
    if (connection.is_closing() || !connection.downlink || connection.downlink->waiting() > 0) return;
    const auto order = core_.ends_after_flush.extract(core_.number_of(connection));
    if (order) part(connection, order.mapped(), core_.reactor.attended() + 2 * Partings::longest);
}

/// Sends FIN and closes the connection as `end` says once its peer has stopped sending. Keeps `order` until then.
void Drainer::part(Connection& connection, const CloseInfo& end, SteadyTime deadline,
                   std::shared_ptr<const void> order) {
    if (connection.is_closing() || connection.parting) return;
    end_hold(connection);
    if (connection.is_closing()) return;
    if (connection.is_opening() || connection.is_paused() || connection.peer_ended || connection.pending_error != 0)
        return close(connection, end);
    if (connection.encrypted) core_.tls.of(connection.fd).farewell();
    if (kernel::shutdown(connection.fd, SHUT_WR) != 0) return close(connection, end);
    if (connection.downlink) {
        const MemoryPressure::Note note(memory_, connection);
        if (connection.downlink->waiting() > 0) core_.kept.owed.remove(core_.number_of(connection));
        connection.downlink->drop_queue();  // nothing is sent after FIN
    }
    const auto left = std::chrono::floor<std::chrono::milliseconds>(deadline - core_.reactor.attended());
    connection.parting = true;
    core_.partings.add(core_.number_of(connection),
                       {.listener = connection.listener,
                        .reason = end.reason,
                        .detail = end.detail,
                        .code = end.code,
                        .began = core_.time().tick,
                        .deadline = deadline,
                        .max_reading = std::min(Partings::longest, left / 2),
                        .bytes_in = connection.bytes_in,
                        .order = std::move(order)},
                       core_.reactor.now());
    set_timer();
}

void Drainer::set_timer() {
    const auto next = core_.partings.wants_timer();
    if (!next) return;
    core_.reactor.run_at(*next, [this] {
        core_.partings.expired();
        const TimeShare share = core_.reactor.share_from_now();
        while (const auto number = share.is_spent() ? std::nullopt : core_.partings.due(core_.reactor.now())) {
            if (Connection* connection = core_.registry.find(*number)) check_parting(*connection);
        }
        set_timer();
    });
}

void Drainer::check_parting(Connection& connection) {
    const Token number = core_.number_of(connection);
    Partings::Parting& parting = *core_.partings.find(number);
    const bool late = core_.reactor.has_passed(parting.deadline);
    if (!late) end_hold(connection);
    if (!late) receiver_.read(connection, ReadUntil::end);
    if (connection.is_closing()) return;
    const std::uint64_t bytes_in = connection.bytes_in;
    const bool has_sent = std::exchange(parting.bytes_in, bytes_in) != bytes_in;
    const bool is_sending = connection.read_again || connection.throttled || has_sent;
    const bool waits = receiver_.is_paused() || is_sending || !has_seen_fin(connection.fd);
    const bool is_over = !receiver_.is_paused() && core_.read_since(parting.began) >= parting.max_reading;
    if (late || is_over || !waits) return core_.close(connection, parting.reason, parting.detail);
    core_.partings.check_again(number, core_.reactor.now());
}

/// Reads the last bytes of a device that has not sent FIN: it ignores ours or continues to send. Then arms a reset,
/// which shows the device at once that nothing more is read; otherwise its next item would be lost without a sign.
/// Behind a proxy it arms none, since the proxy may still hold bytes for the device.
void Drainer::cut_off(Connection& connection) {
    const bool late = core_.reactor.attended() >= core_.partings.find(core_.number_of(connection))->deadline;
    const bool is_read = !late && !connection.is_paused() && !connection.encrypted && receiver_.may_read();
    for (int reads = 0; is_read && reads < last_reads; ++reads) {
        const std::span<char> landing = core_.buffer.landing();
        const ssize_t arrived = kernel::recv(connection.fd, landing.data(), landing.size(), 0);
        if (arrived == 0) return receiver_.take_last_bytes(connection);
        if (arrived < 0 || !receiver_.take(connection, static_cast<std::size_t>(arrived))) break;
    }
    if (core_.policy_of(connection).proxy_protocol == ProxyProtocol::off) discard_on_close(connection.fd);
}

}  // namespace holdfast
