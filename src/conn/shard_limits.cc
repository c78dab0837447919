#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "conn/shard.h"
#include "tcp/socket_options.h"

namespace holdfast {

namespace {

constexpr std::size_t most_fits_looked_at = 256;  // in a step: a system call each

}  // namespace

/// Beyond its share of the second it is not read until that is over; what it took too much is a debt.
void Shard::charge(Connection& connection, std::uint64_t items, std::uint64_t bytes) {
    if ((rates_.items == 0 && rates_.bytes == 0) || drain_deadline_) return;
    if (spent_.empty()) {
        second_began_ = reactor_.now();
        reactor_.run_at(second_began_ + std::chrono::seconds(1), [this] { end_second(); });
    }
    const Token number = registry_.number_of(connection);
    Spent& spent = spent_[number];
    spent.items += items;
    spent.bytes += bytes;
    const bool over =
        (rates_.items != 0 && spent.items >= rates_.items) || (rates_.bytes != 0 && spent.bytes >= rates_.bytes);
    if (!over || connection.throttled || connection.peer_ended) return;
    connection.throttled = true;
    over_rate_.push_back(number);
}

/// Debts are paid for each second that has passed, also while the reactor was away.
void Shard::end_second() {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(reactor_.now() - second_began_);
    const auto times = static_cast<std::uint64_t>(std::clamp<std::int64_t>(seconds.count(), 1, 3'600));
    second_began_ += std::chrono::seconds(times);
    for (auto entry = spent_.begin(); entry != spent_.end();) {
        Spent& spent = entry->second;
        spent.items -= std::min(spent.items, rates_.items != 0 ? times * rates_.items : spent.items);
        spent.bytes -= std::min(spent.bytes, rates_.bytes != 0 ? times * rates_.bytes : spent.bytes);
        entry = spent.items == 0 && spent.bytes == 0 ? spent_.erase(entry) : std::next(entry);
    }
    second_began_ = std::max(second_began_, reactor_.now() - std::chrono::seconds(1));
    if (!spent_.empty()) reactor_.run_at(second_began_ + std::chrono::seconds(1), [this] { end_second(); });
    for (const Token number : std::exchange(over_rate_, {})) {
        const auto debt = spent_.find(number);
        const bool still = debt != spent_.end() && ((rates_.items != 0 && debt->second.items >= rates_.items) ||
                                                    (rates_.bytes != 0 && debt->second.bytes >= rates_.bytes));
        still ? over_rate_.push_back(number) : read_again_if_throttled(number);
    }
}

void Shard::read_again_if_throttled(Token number) {
    Connection* connection = registry_.find(number);
    if (connection == nullptr || !connection->throttled) return;
    connection->throttled = false;
    resumed_reads_.note(number, time().tick);
    read_later(*connection);
}

/// Memory is short: who has much of an item waits with the rest of it. At the budget's end nobody is read until some
/// were shed, still in this turn: else one turn's reads could take many times the budget.
void Shard::mind_memory(Connection& connection) {
    if (!connection.unfinished || drain_deadline_) return;
    const BufferStage stage = admission_.buffers().stage();
    if (stage == BufferStage::plenty) return;
    if (stage == BufferStage::shed && reactor_.now() >= next_census_) out_of_buffers_ = true;
    if (connection.throttled || connection.peer_ended || connection.unfinished->capacity < large_) return;
    connection.throttled = true;
    squeezed_.push_back(registry_.number_of(connection));
    schedule_step();
}

bool Shard::wants_relief() const {
    return registry_.size() > 0 &&
           (!squeezed_.empty() || !ended_while_held_.empty() || admission_.buffers().stage() != BufferStage::plenty);
}

/// Looks at the memory for buffers, at the pace's steps.
void Shard::relieve() {
    end_long_holds();
    const BufferStage stage = admission_.buffers().stage();
    if (stage == BufferStage::shed) {
        out_of_buffers_ = true;
    } else {
        short_since_ = {};
    }
    if (stage != BufferStage::plenty) {
        shed_late_ones();
        if (stage != BufferStage::shed) read_what_fits();
        return;
    }
    for (const Token number : std::exchange(squeezed_, {})) read_again_if_throttled(number);
}

/// Reads those paused again whose unread bytes need no memory of the last stage: an item that ends with them frees its
/// memory. Else connections that all wait for each other would wait until item_deadline, and be shed.
void Shard::read_what_fits() {
    const auto count = static_cast<std::ptrdiff_t>(std::min(squeezed_.size(), most_fits_looked_at));
    const std::vector<Token> first(squeezed_.begin(), squeezed_.begin() + count);
    squeezed_.erase(squeezed_.begin(), squeezed_.begin() + count);
    const BufferBudget& budget = admission_.buffers();
    std::size_t used = budget.used();
    for (const Token number : first) {
        const Connection* connection = registry_.find(number);
        if (connection == nullptr || !connection->throttled) continue;
        const std::size_t unread =
            unread_bytes(connection->fd) + (connection->encrypted ? tls_.of(connection->fd).decrypted_unread() : 0);
        const std::size_t growth = growth_by(connection->unfinished, unread);
        const bool fits = unread > 0 && budget.stage_at(used + growth) != BufferStage::shed;
        if (fits) used += growth;
        fits ? read_again_if_throttled(number) : squeezed_.push_back(number);
    }
}

/// A paused connection cannot finish its item, and one that never meant to would keep the others waiting for ever:
/// after item_deadline some end, until the rest can be read. Those with nothing to read come first: only their peers
/// delay them.
void Shard::shed_late_ones() {
    std::size_t goal = admission_.buffers().over_plenty();
    if (goal == 0) return;
    VictimOrder late;
    std::erase_if(squeezed_, [this, &late](Token number) {
        Connection* connection = registry_.find(number);
        if (connection == nullptr || !connection->throttled) return true;
        if (!connection->unfinished) return false;
        if (read_since(connection->unfinished->began) > policy_of(*connection).item_deadline) {
            add_late_one(*connection, late);
        }
        return false;
    });
    while (goal > 0) {
        const auto victim = late.next(true);
        if (!victim) return;
        Connection& connection = *registry_.find(victim->number);
        goal -= std::min(goal, victim->bytes);
        close(connection, CloseReason::shed, "its item was not finished in time while memory for buffers was short");
    }
}

void Shard::add_late_one(const Connection& connection, VictimOrder& late) {
    char byte = 0;
    const bool has_unread = ::recv(connection.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
    VictimOrder::Holder holder = holder_of(connection, holding_of(connection));
    holder.rank = has_unread ? VictimOrder::Rank::spared : VictimOrder::Rank::holds;
    late.add(holder);
}

}  // namespace holdfast
