#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "conn/adoption.h"
#include "conn/core.h"
#include "tcp/inherited_socket.h"

namespace holdfast {

class Listeners;
class MemoryPressure;
class Sweeper;

/// Takes over, once, the connections that an earlier process left in the kept memory, before the reactor's first turn.
/// Trusts no slot that does not fit its descriptor. The shard's thread.
class Adopter {
public:
    Adopter(Core& core, Listeners& listeners, MemoryPressure& memory, Sweeper& sweeper)
        : core_(core), listeners_(listeners), memory_(memory), sweeper_(sweeper) {}

    /// Takes the connections over and counts them. The slots that do not fit end as `gateway_crashed` in the first
    /// turn.
    [[nodiscard]] AdoptionCounts adopt(const Heritage& heritage);

private:
    struct Found {
        Connection* connection;
        AdoptionVerdict verdict;
        bool had_downlink;
        LostOutput lost_output;
        std::optional<std::uint64_t> bytes_read;  ///< for Connection::bytes_in
    };
    void learn_ports();
    [[nodiscard]] std::optional<std::uint8_t> find_listener(const Connection& connection,
                                                            const std::optional<InheritedSocket>& socket,
                                                            const Heritage& heritage) const;
    [[nodiscard]] SlotFacts take_facts(Connection& connection);
    [[nodiscard]] std::uint8_t& mark_of(const Connection& connection) {
        return core_.adoption_marks[core_.registry.slot_of(connection)];
    }
    [[nodiscard]] bool judge(Connection& connection, const Heritage& heritage);
    void take(const Found& found);
    void keep(const Found& found);
    void set_up(Connection& connection);
    void restore_options(Connection& connection, bool had_downlink);
    void resume_stream(const Found& found);
    [[nodiscard]] bool hand_on(const Found& found, bool ends);
    void readmit(int fd);

    Core& core_;
    Listeners& listeners_;
    MemoryPressure& memory_;
    Sweeper& sweeper_;
    std::map<std::uint16_t, std::optional<std::uint8_t>> listener_at_;  // by local port; nullopt: several
    std::vector<Found> found_;
    std::vector<int> readmitted_;
    AdoptionCounts counts_;
};

}  // namespace holdfast
