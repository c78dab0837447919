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

/// Limits what the connections of a shard use: memory of buffers and TLS sessions, and items and bytes per second. Owns
/// these counts. Pauses reads of single connections and sheds some under memory pressure. The shard's thread.
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
        std::size_t loose = 0;  ///< the part that no idle session holds
    };
    /// Accounts for a change of a connection's memory within its scope. A nested Note of the same connection has no
    /// effect.
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
    /// Removes a finalized connection from the accounts.
    void forget(const Connection& connection) noexcept { settle(connection, holding_of(connection), {}); }

    /// Counts what was read against the connection's rates. Pauses its reads beyond them; the excess carries over as
    /// debt.
    void charge(Connection& connection, std::uint64_t items, std::uint64_t bytes);
    /// Pauses, under memory pressure, the reads of a connection with a large partial item. In the last stage, blocks
    /// all reads until make_room(), since the reads of one turn could take many times the budget.
    void check(Connection& connection);
    [[nodiscard]] bool blocks_reading() const { return blocks_reading_; }
    /// Continues the census while reads are blocked. Sheds some connections once it is complete.
    void make_room();
    /// Responds to the present stage, at the sweeper's steps: sheds late connections, or ends the pauses.
    void relieve();
    /// Returns true if relieve() has work.
    [[nodiscard]] bool wants_relief() const;

private:
    /// Use of one connection's rates.
    struct Spent {
        std::uint64_t items = 0;
        std::uint64_t bytes = 0;
    };
    void settle(const Connection& connection, Holding before, Holding after) noexcept;
    [[nodiscard]] bool is_over_rate(const Spent& spent) const;
    void end_second();
    void read_again_if_throttled(Token number);
    void read_what_fits();
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
    std::unordered_map<Token, Spent> spent_;  // use of this second, and debts of earlier ones
    SteadyTime second_began_{};
    std::vector<Token> over_rate_;        // paused until the second ends
    std::vector<Token> short_of_memory_;  // paused until memory suffices
    bool blocks_reading_ = false;         // until make_room() succeeds
    std::optional<Census> census_;        // in progress while blocks_reading_
    SteadyTime short_since_{};            // start of uninterrupted shedding; zero: none
    SteadyTime next_census_{};            // earliest time, after a census that found none to close
    const Connection* noted_ = nullptr;   // connection of the innermost Note
    const std::size_t large_;             // bytes of a large partial item
};

}  // namespace holdfast
