#include "conn/finalizer.h"

#include <cstddef>

#include "base/kernel.h"
#include "base/plant.h"
#include "conn/admission.h"
#include "conn/drainer.h"
#include "conn/memory_pressure.h"
#include "conn/preamble.h"
#include "conn/sweeper.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

/// Returns true if close(2) should send RST: no peer remains for an orderly end, and the kernel keeps no state.
bool is_discarded(CloseReason reason) {
    return kind_of(reason) == ReasonKind::network || reason == CloseReason::out_of_memory;
}

void add_unread(const TlsSession& session, CloseInfo& info) {
    info.decrypted_unread = session.decrypted_unread();
    if (session.is_in_handshake()) info.handshake_bytes = session.handshake_bytes();
}

}  // namespace

void Finalizer::finalize_closed() {
    const TimeShare share = core_.reactor.share_from_now();
    std::size_t finalized = 0;
    while (finalized < core_.closed.size() && (finalized == 0 || !share.is_spent()))
        finalize(Core::Closed(core_.closed[finalized++]));  // a copy: the handler may close other connections
    core_.closed.erase(core_.closed.begin(), core_.closed.begin() + static_cast<std::ptrdiff_t>(finalized));
}

void Finalizer::finalize_latest() {
    const Core::Closed latest = core_.closed.back();
    core_.closed.pop_back();
    finalize(latest);
}

void Finalizer::finalize(const Core::Closed& closed) {
    Connection& connection = *closed.connection;
    CloseInfo info = closed.info;
    if (connection.parting) {  // the first reason wins
        const Partings::Parting& parting = *core_.partings.find(core_.number_of(connection));
        info = {.reason = parting.reason,
                .error = 0,
                .detail = parting.detail,
                .evidence = info.evidence,
                .code = parting.code};
    }
    const auto ended = core_.half_closed.extract(core_.number_of(connection));
    if (ended && !core_.policy_of(connection).half_close) info = ended.mapped();
    if (connection.encrypted) add_unread(core_.tls.of(connection.fd), info);
    if (connection.is_paused() && connection.unfinished)
        core_.handler.on_end_while_held(connection, core_.number_of(connection), EndedBy::gateway);
    if (connection.parting && !connection.peer_ended) drainer_.cut_off(connection);
    if (closed.stage == Stage::preamble) {
        if (preamble_.finalize(connection, info)) report(connection, info);
    } else {
        core_.counters_of(connection).connections.decrement();
        report(connection, info);
    }
    free(connection, info);
}

void Finalizer::report(Connection& connection, const CloseInfo& info) {
    ListenerCounters& counters = core_.counters_of(connection);
    const auto reason = static_cast<std::size_t>(info.reason);
    const auto lived = core_.time().tick.since(connection.opened);
    counters.closed[reason].increment();
    counters.detection[reason].observe(info.evidence.last_heard);
    if (kind_of(info.reason) == ReasonKind::network && was_found_late(connection, info)) {
        counters.found_late.increment();
    }
    counters.duration.observe(lived);
    core_.observations.add({.kind = Observation::Kind::closed,
                            .reason = info.reason,
                            .listener = connection.listener,
                            .peer = connection.peer.address,
                            .at = core_.reactor.now(),
                            .last_heard = info.evidence.last_heard,
                            .lived = lived,
                            .quiet = core_.time().tick.since(connection.last_item),
                            .suspect = connection.suspect,
                            .bad_items = connection.bad_items_in_row > 0,
                            .port = connection.peer.port});
    if (planted("lost_closed") && info.reason == CloseReason::peer_reset) return;
    core_.handler.on_close(connection, core_.number_of(connection), info, core_.time());
}

/// Returns true if the silence exceeded the bound. A bound from a reload does not apply to earlier silence.
bool Finalizer::was_found_late(const Connection& connection, const CloseInfo& info) {
    const ListenerPolicy& policy = core_.policy_of(connection);
    return core_.attended_part(info.evidence.last_heard) > policy.longest_silence() &&
           core_.time().tick.since(core_.plan_since(connection)) > policy.longest_silence();
}

void Finalizer::free(Connection& connection, const CloseInfo& info) {
    const Token number = core_.number_of(connection);
    if (connection.parting) core_.partings.remove(number);
    if (!planted("leaked_bytes")) memory_.forget(connection);
    core_.drop_downlink(connection);
    if (connection.encrypted) {
        const ReasonKind kind = kind_of(info.reason);
        const bool listens = kind != ReasonKind::peer && kind != ReasonKind::network;
        if (listens) core_.tls.of(connection.fd).farewell();
        core_.tls.end(connection.fd);
    }
    if (is_discarded(info.reason)) discard_on_close(connection.fd);
    if (!planted("leaked_socket") || info.reason != CloseReason::item_deadline)
        kernel::close(connection.fd);  // also removes it from the poller
    core_.admission.give_back(connection.peer.address,
                              {.peer = connection.counts_for_peer, .prefix = connection.counts_for_prefix});
    sweeper_.forget(connection);
    core_.resumed_reads.forget(number);
    core_.ends_that_wait.remove(number);
    core_.policies.forget(core_.registry.slot_of(connection));
    if (!core_.details.empty()) core_.details.erase(number);
    if (!core_.ends_after_flush.empty()) core_.ends_after_flush.erase(number);
    core_.registry.erase(connection);
}

}  // namespace holdfast
