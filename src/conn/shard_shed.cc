#include <algorithm>

#include "conn/shard.h"

namespace holdfast {

namespace {

// A peer that has acknowledged none of its queue for so long does not take it.
constexpr std::chrono::seconds takes_within{2};

constexpr std::uint32_t census_slice = 8'192;  // slots in a turn
constexpr unsigned most_shed_at_once = 256;
// Each reactor looks at the memory once a second or more often.
constexpr std::chrono::milliseconds patience_with_others{1'500};
constexpr std::chrono::milliseconds pause_after_none{20};

}  // namespace

/// An idle session's memory stays with its connection; all else is loose: ending the connection gives it back, and so
/// does the end of the item, of the handshake, or of the downlink queue.
Shard::Holding Shard::holding_of(const Connection& connection) const {
    const std::size_t buffers = buffered(connection);
    if (!connection.encrypted) return {.bytes = buffers, .loose = buffers};
    const TlsSession& session = core_.tls.of(connection.fd);
    const std::size_t bytes = buffers + session.memory();
    const bool idle = buffers == 0 && !session.is_in_handshake();
    return {.bytes = bytes, .loose = idle ? 0 : bytes};
}

void Shard::settle(const Connection& connection, Holding before, Holding after) noexcept {
    core_.admission.buffers().change(before.bytes, after.bytes);
    core_.admission.sources().change(connection.peer.address, before.loose, after.loose);
}

bool Shard::is_authenticated(const Connection& connection) const {
    if (is_opening(connection)) return false;
    if (connection.encrypted && core_.tls.of(connection.fd).is_certified()) return true;
    return core_.policy_of(connection).authenticates && connection.named;
}

/// Continues the census and ends some when it is complete. Until then this reactor reads nothing.
void Shard::make_room() {
    if (!out_of_buffers_) return;
    if (core_.admission.buffers().stage() == BufferStage::shed) {
        if (!take_census()) return;
        shed_some();
    }
    out_of_buffers_ = false;
    census_.reset();
}

/// Returns true once all slots have been visited.
bool Shard::take_census() {
    if (!census_) census_.emplace();
    for (std::uint32_t left = census_slice; left > 0 && census_->next_slot <= core_.registry.highest_slot(); --left) {
        if (Connection* connection = core_.registry.in_slot(census_->next_slot++)) add_to_census(*connection);
    }
    return census_->next_slot > core_.registry.highest_slot();
}

void Shard::add_to_census(const Connection& connection) {
    const Holding held = holding_of(connection);
    if (held.bytes == 0) return;
    // Idle sessions end only if the system itself has no memory left: for the budget no new ones come in.
    if (held.loose == 0 && !core_.admission.buffers().is_forced()) return;
    VictimOrder::Holder holder = holder_of(connection, held);
    holder.rank =
        held.loose == 0 ? VictimOrder::Rank::idle_session : rank_of(held_memory(connection, held, holder.source_bytes));
    census_->order.add(holder);
}

VictimOrder::Holder Shard::holder_of(const Connection& connection, Holding held) const {
    return {.number = core_.number_of(connection),
            .source = network_of(connection.peer.address, subscriber_width),
            .source_bytes = core_.admission.sources().of(connection.peer.address),
            .bytes = held.bytes,
            .authenticated = is_authenticated(connection)};
}

HeldMemory Shard::held_memory(const Connection& connection, Holding held, std::size_t source_bytes) {
    const Tick now = core_.time().tick;
    const bool opening = is_opening(connection);
    const Tick progress = connection.downlink ? connection.downlink->progress_at : Tick{};
    const bool takes = progress == Tick{} || now.since(progress) < takes_within;
    Tick since = opening ? connection.opened : progress;
    if (connection.unfinished) since = connection.unfinished->began;
    return {.in_handshake = opening,
            .age = now.since(since),
            .drains = !opening && !connection.unfinished && takes,
            .bytes = held.bytes,
            .source_bytes = source_bytes,
            .average = core_.admission.sources().average()};
}

/// Ends a part of what is over the budget at a time: other reactors shed too, and may hold those that should pay. So
/// for a while authenticated connections, and sources that hold less than others, are spared.
void Shard::shed_some() {
    const BufferBudget& budget = core_.admission.buffers();
    if (short_since_ == SteadyTime{}) short_since_ = core_.reactor.now();
    const bool others_may = core_.admission.reactors() > 1 && !budget.is_full() &&
                            core_.reactor.now() - short_since_ < patience_with_others;
    const std::size_t fair = others_may ? core_.admission.sources().average() / 2 : 0;
    // More than a read brings, if so much is over: or there would be no room in the next turn either.
    const std::size_t over = budget.over();
    const std::size_t goal = std::max(over / 4, std::min(over, 2 * ReceiveBuffer::landing_bytes)) + 1;
    std::size_t freed = 0;
    for (unsigned left = most_shed_at_once; left > 0 && freed < goal; --left) {
        const auto victim = census_->order.next(!others_may);
        if (!victim) break;
        if (victim->rank == VictimOrder::Rank::idle_session || victim->source_bytes >= fair) freed += shed(*victim);
    }
    if (freed == 0) next_census_ = core_.reactor.now() + pause_after_none;
}

/// Returns the bytes that its end gives back; 0: it has ended or has given them back since the census.
std::size_t Shard::shed(const VictimOrder::Holder& victim) {
    Connection* connection = core_.registry.find(victim.number);
    if (connection == nullptr) return 0;
    const Holding held = holding_of(*connection);
    if (held.loose == 0 && victim.rank != VictimOrder::Rank::idle_session) return 0;
    core_.close(*connection, CloseReason::shed, "the buffers of all connections came near limits.buffer_budget");
    const HoldingNote note(*this, *connection);  // nothing more is read or written: give back at once, not when reaped
    connection->unfinished.reset();
    connection->downlink.reset();
    return held.bytes;
}

}  // namespace holdfast
