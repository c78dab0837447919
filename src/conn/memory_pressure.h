#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "conn/core.h"
#include "conn/victim_order.h"

namespace holdfast {

class Receiver;
class Sweeper;

/// Limits what the connections of a shard take: the memory of their buffers and TLS sessions, and their items and bytes
/// in a second. Keeps the books, pauses the reading of single connections, and sheds some when memory runs out. The
/// shard's thread.
class MemoryPressure {
public:
    MemoryPressure(Core& core, Receiver& receiver, Sweeper& sweeper, const ShardOptions& options)
        : core_(core),
          receiver_(receiver),
          sweeper_(sweeper),
          rates_(options.rates),
          large_(options.max_unfinished / 4) {}

    /// Memory that a connection holds for its buffers and its TLS session.
    struct Holding {
        std::size_t bytes = 0;
        std::size_t loose = 0;  ///< of these, what is no idle session's
    };
    /// Keeps the books while what a connection holds may change. One within another for the same connection does
    /// nothing.
    class Note {
    public:
        Note(MemoryPressure& memory, const Connection& connection)
            : memory_(memory), connection_(connection), outer_(memory.noted_), before_(memory.holding_of(connection)) {
            memory_.noted_ = &connection;
        }
        Note(const Note&) = delete;
        Note& operator=(const Note&) = delete;
        ~Note() {
            memory_.noted_ = outer_;
            if (outer_ != &connection_) memory_.settle(connection_, before_, memory_.holding_of(connection_));
        }

    private:
        MemoryPressure& memory_;
        const Connection& connection_;
        const Connection* const outer_;
        const Holding before_;
    };
    [[nodiscard]] Holding holding_of(const Connection& connection) const;
    /// Takes a connection that is finalized out of the books.
    void forget(const Connection& connection) noexcept { settle(connection, holding_of(connection), {}); }

    /// Counts what was read against the connection's share of the second, and pauses its reading beyond that. The
    /// excess is a debt.
    void charge(Connection& connection, std::uint64_t items, std::uint64_t bytes);
    /// Under memory pressure, pauses the reading of a connection with a large partial item. At the budget's end,
    /// blocks all reading until make_room(): the reads of one turn could take many times the budget.
    void check(Connection& connection);
    [[nodiscard]] bool blocks_reading() const { return blocks_reading_; }
    /// Continues the census of a shard that has no memory left, and sheds some connections when it is complete.
    void make_room();
    /// Acts on the present memory, at the sweeper's steps: sheds late connections, or ends the pauses.
    void relieve();
    /// Returns true if relieve() has work.
    [[nodiscard]] bool wants_relief() const;

private:
    /// What one connection has used of its share of a second.
    struct Spent {
        std::uint64_t items = 0;
        std::uint64_t bytes = 0;
    };
    void settle(const Connection& connection, Holding before, Holding after) noexcept;
    [[nodiscard]] bool is_over_rate(const Spent& spent) const;
    void end_second();
    void read_again_if_throttled(Token number);
    void shed_late();
    void add_late(const Connection& connection, VictimOrder& late);
    [[nodiscard]] bool is_authenticated(const Connection& connection) const;
    [[nodiscard]] VictimOrder::Holder holder_of(const Connection& connection, Holding held) const;
    [[nodiscard]] HeldMemory held_memory(const Connection& connection, Holding held, std::size_t source_bytes);
    [[nodiscard]] bool take_census();
    void add_to_census(const Connection& connection);
    void shed_some();
    std::size_t shed(const VictimOrder::Holder& victim);

    Core& core_;
    Receiver& receiver_;
    Sweeper& sweeper_;
    const RateLimits rates_;
    std::unordered_map<Token, Spent> spent_;  // in this second, and debts from earlier ones
    SteadyTime second_began_{};
    std::vector<Token> over_rate_;       // not read until the second is over
    std::vector<Token> squeezed_;        // not read until there is memory again, the longest waiting first
    bool blocks_reading_ = false;        // until make_room() has made some
    std::optional<Census> census_;       // under way, while blocks_reading_
    SteadyTime short_since_{};           // memory has been short without a break; zero: it is not
    SteadyTime next_census_{};           // not before: the latest found none to close
    const Connection* noted_ = nullptr;  // of the innermost Note
    const std::size_t large_;            // bytes of an unfinished item
};

}  // namespace holdfast
