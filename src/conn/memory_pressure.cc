#include "conn/memory_pressure.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "conn/admission.h"
#include "conn/receiver.h"
#include "conn/sweeper.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

// Time without an acknowledgement after which a peer counts as not draining its queue.
constexpr std::chrono::seconds takes_within{2};

constexpr std::uint32_t census_slice = 8'192;  // slots per turn
constexpr unsigned max_shed_at_once = 256;
constexpr std::size_t max_fits_checked = 256;  // per step: one system call each
// Each reactor checks the memory at least once a second.
constexpr std::chrono::milliseconds time_for_others{1'500};
constexpr std::chrono::milliseconds pause_after_none{20};

}  // namespace

bool MemoryPressure::is_over_rate(const Spent& spent) const {
    return (rates_.items != 0 && spent.items >= rates_.items) || (rates_.bytes != 0 && spent.bytes >= rates_.bytes);
}

void MemoryPressure::charge(Connection& connection, std::uint64_t items, std::uint64_t bytes) {
    if ((rates_.items == 0 && rates_.bytes == 0) || core_.stop_deadline) return;
    if (spent_.empty()) {
        second_began_ = core_.reactor.now();
        core_.reactor.run_at(second_began_ + std::chrono::seconds(1), [this] { end_second(); });
    }
    const Token number = core_.number_of(connection);
    Spent& spent = spent_[number];
    spent.items += items;
    spent.bytes += bytes;
    if (!is_over_rate(spent) || connection.throttled || connection.peer_ended) return;
    connection.throttled = true;
    over_rate_.push_back(number);
}

/// Reduces the debts for each second that has passed, including absences of the reactor.
void MemoryPressure::end_second() {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(core_.reactor.now() - second_began_);
    const auto times = static_cast<std::uint64_t>(std::clamp<std::int64_t>(seconds.count(), 1, 3'600));
    second_began_ += std::chrono::seconds(times);
    for (auto entry = spent_.begin(); entry != spent_.end();) {
        Spent& spent = entry->second;
        spent.items -= std::min(spent.items, rates_.items != 0 ? times * rates_.items : spent.items);
        spent.bytes -= std::min(spent.bytes, rates_.bytes != 0 ? times * rates_.bytes : spent.bytes);
        entry = spent.items == 0 && spent.bytes == 0 ? spent_.erase(entry) : std::next(entry);
    }
    second_began_ = std::max(second_began_, core_.reactor.now() - std::chrono::seconds(1));
    if (!spent_.empty()) core_.reactor.run_at(second_began_ + std::chrono::seconds(1), [this] { end_second(); });
    for (const Token number : std::exchange(over_rate_, {})) {
        const auto debt = spent_.find(number);
        const bool is_in_debt = debt != spent_.end() && is_over_rate(debt->second);
        is_in_debt ? over_rate_.push_back(number) : read_again_if_throttled(number);
    }
}

void MemoryPressure::read_again_if_throttled(Token number) {
    Connection* connection = core_.registry.find(number);
    if (connection == nullptr || !connection->throttled) return;
    connection->throttled = false;
    core_.resumed_reads.note(number, core_.time().tick);
    receiver_.read_later(*connection);
}

void MemoryPressure::check(Connection& connection) {
    if (!connection.unfinished || core_.stop_deadline) return;
    const BufferStage stage = core_.admission.buffers().stage();
    if (stage == BufferStage::plenty) return;
    if (stage == BufferStage::shed && core_.reactor.now() >= next_census_) blocks_reading_ = true;
    if (connection.throttled || connection.peer_ended || connection.unfinished->capacity < large_) return;
    connection.throttled = true;
    short_of_memory_.push_back(core_.number_of(connection));
    sweeper_.schedule_step();
}

bool MemoryPressure::wants_relief() const {
    return !short_of_memory_.empty() || core_.admission.buffers().stage() != BufferStage::plenty;
}

void MemoryPressure::relieve() {
    const BufferStage stage = core_.admission.buffers().stage();
    if (stage == BufferStage::shed) {
        blocks_reading_ = true;
    } else {
        short_since_ = {};
    }
    if (stage != BufferStage::plenty) {
        shed_late();
        if (stage != BufferStage::shed) read_what_fits();
        return;
    }
    for (const Token number : std::exchange(short_of_memory_, {})) read_again_if_throttled(number);
}

/// Reads paused connections again as far as their unread bytes need no memory of the last stage. An item that ends with
/// these bytes frees its memory. Otherwise, connections that all wait for each other would wait until item_deadline.
void MemoryPressure::read_what_fits() {
    const auto count = static_cast<std::ptrdiff_t>(std::min(short_of_memory_.size(), max_fits_checked));
    const std::vector<Token> first(short_of_memory_.begin(), short_of_memory_.begin() + count);
    short_of_memory_.erase(short_of_memory_.begin(), short_of_memory_.begin() + count);
    const BufferBudget& budget = core_.admission.buffers();
    std::size_t used = budget.used();
    for (const Token number : first) {
        const Connection* connection = core_.registry.find(number);
        if (connection == nullptr || !connection->throttled) continue;
        const std::size_t unread = unread_bytes(connection->fd) +
                                   (connection->encrypted ? core_.tls.of(connection->fd).decrypted_unread() : 0);
        const std::size_t growth = growth_by(connection->unfinished, unread);
        const bool fits = unread > 0 && budget.stage_at(used + growth) != BufferStage::shed;
        if (fits) used += growth;
        fits ? read_again_if_throttled(number) : short_of_memory_.push_back(number);
    }
}

/// Sheds connections whose partial item exceeds item_deadline until the others can be read. A paused connection cannot
/// finish its item, and an endless item would delay the others indefinitely. Connections with nothing to read end
/// first, since only their peers delay them.
void MemoryPressure::shed_late() {
    std::size_t goal = core_.admission.buffers().over_plenty();
    if (goal == 0) return;
    VictimOrder late;
    std::erase_if(short_of_memory_, [this, &late](Token number) {
        Connection* connection = core_.registry.find(number);
        if (connection == nullptr || !connection->throttled) return true;
        if (!connection->unfinished) return false;
        if (core_.read_since(connection->unfinished->began) > core_.policy_of(*connection).item_deadline) {
            add_late(*connection, late);
        }
        return false;
    });
    while (goal > 0) {
        const auto victim = late.next(true);
        if (!victim) return;
        Connection& connection = *core_.registry.find(victim->number);
        goal -= std::min(goal, victim->bytes);
        core_.close(connection, CloseReason::shed,
                    "the unfinished item did not complete in time under memory pressure");
    }
}

void MemoryPressure::add_late(const Connection& connection, VictimOrder& late) {
    const bool has_unread = unread_bytes(connection.fd) > 0;
    VictimOrder::Holder holder = holder_of(connection, holding_of(connection));
    holder.rank = has_unread ? VictimOrder::Rank::spared : VictimOrder::Rank::holds;
    late.add(holder);
}

/// Returns the memory of a connection. An idle session's memory stays with its connection. All other memory is loose:
/// the end of the connection, the item, the handshake or the downlink queue frees it.
MemoryPressure::Holding MemoryPressure::holding_of(const Connection& connection) const {
    const std::size_t buffers = buffered(connection);
    if (!connection.encrypted) return {.bytes = buffers, .loose = buffers};
    const TlsSession& session = core_.tls.of(connection.fd);
    const std::size_t bytes = buffers + session.memory();
    const bool idle = buffers == 0 && !session.is_in_handshake();
    return {.bytes = bytes, .loose = idle ? 0 : bytes};
}

void MemoryPressure::settle(const Connection& connection, Holding before, Holding after) noexcept {
    core_.admission.buffers().change(before.bytes, after.bytes);
    core_.admission.sources().change(connection.peer.address, before.loose, after.loose);
}

bool MemoryPressure::is_authenticated(const Connection& connection) const {
    if (connection.is_opening()) return false;
    if (connection.encrypted && core_.tls.of(connection.fd).is_certified()) return true;
    return core_.policy_of(connection).authenticates && connection.is_identified();
}

void MemoryPressure::make_room() {
    if (!blocks_reading_) return;
    if (core_.admission.buffers().stage() == BufferStage::shed) {
        if (!take_census()) return;
        shed_some();
    }
    blocks_reading_ = false;
    census_.reset();
}

/// Visits a slice of the slots. Returns true once all were visited.
bool MemoryPressure::take_census() {
    if (!census_) census_.emplace();
    for (std::uint32_t left = census_slice; left > 0 && census_->next_slot <= core_.registry.highest_slot(); --left) {
        if (Connection* connection = core_.registry.in_slot(census_->next_slot++)) add_to_census(*connection);
    }
    return census_->next_slot > core_.registry.highest_slot();
}

void MemoryPressure::add_to_census(const Connection& connection) {
    const Holding held = holding_of(connection);
    if (held.bytes == 0) return;
    // Idle sessions end only if the system itself has no memory left; the budget instead refuses new ones.
    if (held.loose == 0 && !core_.admission.buffers().is_forced()) return;
    VictimOrder::Holder holder = holder_of(connection, held);
    holder.rank =
        held.loose == 0 ? VictimOrder::Rank::idle_session : rank_of(held_memory(connection, held, holder.source_bytes));
    census_->order.add(holder);
}

VictimOrder::Holder MemoryPressure::holder_of(const Connection& connection, Holding held) const {
    return {.number = core_.number_of(connection),
            .source = network_of(connection.peer.address, subscriber_width),
            .source_bytes = core_.admission.sources().of(connection.peer.address),
            .bytes = held.bytes,
            .authenticated = is_authenticated(connection)};
}

HeldMemory MemoryPressure::held_memory(const Connection& connection, Holding held, std::size_t source_bytes) {
    const Tick now = core_.time().tick;
    const bool opening = connection.is_opening();
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

/// Sheds a part of the excess at a time, since other reactors shed too and may hold the larger connections. At first it
/// spares authenticated connections and sources that hold less than others.
void MemoryPressure::shed_some() {
    const BufferBudget& budget = core_.admission.buffers();
    if (short_since_ == SteadyTime{}) short_since_ = core_.reactor.now();
    const bool others_may =
        core_.admission.reactors() > 1 && !budget.is_full() && core_.reactor.now() - short_since_ < time_for_others;
    const std::size_t fair = others_may ? core_.admission.sources().average() / 2 : 0;
    // The goal exceeds one read if the excess does; otherwise the next turn would have no room either.
    const std::size_t over = budget.over();
    const std::size_t goal = std::max(over / 4, std::min(over, 2 * ReceiveBuffer::landing_bytes)) + 1;
    std::size_t freed = 0;
    for (unsigned left = max_shed_at_once; left > 0 && freed < goal; --left) {
        const auto victim = census_->order.next(!others_may);
        if (!victim) break;
        if (victim->rank == VictimOrder::Rank::idle_session || victim->source_bytes >= fair) freed += shed(*victim);
    }
    if (freed == 0) next_census_ = core_.reactor.now() + pause_after_none;
}

/// Closes a connection and frees its buffers. Returns the bytes freed, or 0 if it has ended or freed them since the
/// census.
std::size_t MemoryPressure::shed(const VictimOrder::Holder& victim) {
    Connection* connection = core_.registry.find(victim.number);
    if (connection == nullptr) return 0;
    const Holding held = holding_of(*connection);
    if (held.loose == 0 && victim.rank != VictimOrder::Rank::idle_session) return 0;
    core_.close(*connection, CloseReason::shed, "all buffers together came near limits.buffer_budget");
    const Note note(*this, *connection);  // no read or write follows, so free the buffers before finalization
    connection->unfinished.reset();
    core_.drop_downlink(*connection);
    return held.bytes;
}

}  // namespace holdfast
