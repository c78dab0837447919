#include <algorithm>
#include <utility>

#include "conn/shard.h"
#include "tcp/peer_state.h"

namespace holdfast {

// Connections that wait for accept_rate. All that come are accepted, so that none stands in the kernel's queue behind
// those of another source; beyond the rate nothing of them is read, and the handler is not told of them.

namespace {

constexpr int max_entries_per_turn = 256;

}  // namespace

void Shard::wait_for_turn(Connection& connection) {
    connection.held = true;
    connection.opened = connection.last_item = core_.time().tick;
    const Token number = core_.number_of(connection);
    preambles_.wait(number);
    accept_queue_.add(connection.peer.address, number);
    ListenerCounters& counters = core_.counters_of(connection);
    counters.accept_waiting.increment();
    counters.accept_delays.increment();
    schedule_turns();
}

void Shard::leave_queue(Connection& connection) {
    const Token number = core_.number_of(connection);
    accept_queue_.remove(number);
    preambles_.end(number);
    connection.held = false;
    core_.counters_of(connection).accept_waiting.decrement();
}

void Shard::enter_from_queue(Connection& connection, Entry entry) {
    leave_queue(connection);
    enter(connection, entry);
    read_later(connection);  // what the poller has announced meanwhile
}

/// Something has arrived of a connection that waits. The end of its peer, of its listener or of the gateway lets it in:
/// what has been sent is read, and costs no turn.
void Shard::step_waiting(Connection& connection) {
    if (peer_has_shut(connection.fd)) return enter_from_queue(connection, Entry::corpse);
    if (listeners_[connection.listener].closed()) enter_from_queue(connection, Entry::paid);
}

void Shard::schedule_turns() {
    if (reserved_turns_ > 0 || accept_queue_.empty()) return;
    const auto reserved = core_.admission.bucket().reserve(core_.reactor.now(), accept_queue_.size());
    reserved_turns_ = reserved.turns;
    core_.reactor.run_at(reserved.when, [this] { take_turns(); });
}

void Shard::take_turns() {
    AcceptBucket& bucket = core_.admission.bucket();
    std::int64_t left = std::exchange(reserved_turns_, 0);
    for (int entries = 0; entries < max_entries_per_turn && !accept_queue_.empty(); ++entries) {
        if (left == 0 && !bucket.try_take(core_.reactor.now())) break;
        if (left > 0) --left;
        // next() removes it from the queue, leave_queue() everything else.
        Connection* connection = core_.registry.find(*accept_queue_.next());
        if (connection != nullptr) enter_from_queue(*connection, Entry::paid);
    }
    bucket.give_back(left);
    schedule_turns();
}

/// All places are taken, some by connections that wait: the source with the most of these has the place of one turned
/// away, for a newcomer of a source with fewer. The handler has not been told of it, so that it ends at once.
bool Shard::make_place(const IpAddress& newcomer) {
    const auto latest = accept_queue_.crowding_out(newcomer);
    Connection* connection = latest ? core_.registry.find(*latest) : nullptr;
    if (connection == nullptr) return false;
    turn_away(*connection, RefusedBy::max_connections);
    bury(core_.closed.back());
    core_.closed.pop_back();
    return true;
}

/// It ended while it waited. Returns whether the handler is to be told: not of a proxy's health check.
bool Shard::end_waiting(Connection& connection, const Death& death) {
    const bool turned_away = preambles_.find(core_.number_of(connection))->turned_away;
    leave_queue(connection);
    if (turned_away) return false;
    ListenerCounters& counters = core_.counters_of(connection);
    if (core_.policy_of(connection).proxy_protocol != ProxyProtocol::off && kind_of(death.reason) == ReasonKind::peer) {
        counters.health_checks.increment();
        return false;
    }
    counters.accepted.increment();
    core_.handler.on_open(connection, core_.number_of(connection), core_.time());
    return true;
}

}  // namespace holdfast
