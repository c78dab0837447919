#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "conn/policy.h"
#include "conn/policy_table.h"
#include "conn/registry.h"

namespace holdfast {

/// Counts of the connections that received a new plan.
struct PlanTally {
    std::size_t changed = 0;  ///< options set and confirmed by reading them back
    std::size_t refused = 0;  ///< options set, but read back with other values
    std::size_t probed = 0;   ///< quiet for longer than the new plan allows, so probed first
    std::size_t gone = 0;     ///< ended before they answered that probe
};

/// Gives the living connections of a listener its new plan. A connection quiet for longer than the new idle time would
/// get at most one probe. Such a connection is probed under its old options, and gets the new ones when it answers, or
/// ends. Times are attended: an absence of the gateway is no silence of the peer. The shard owns it; its thread. Ends
/// by `done`, or dropped when the plan changes again.
class PlanChange {
public:
    using Done = std::function<void(const PlanTally&)>;

    PlanChange(SteadyTime began, Done done) : began_(began), done_(std::move(done)) {}

    /// Handles a connection of the listener during the walk over all connections.
    void visit(Connection& connection, Token number, const ListenerPolicy& policy);
    void all_visited() { all_visited_ = true; }
    /// Checks up to `limit` probed connections. Returns when to call again, or nullopt if the change has ended.
    /// With `table`, connections that have got a plan of their own keep it.
    [[nodiscard]] std::optional<SteadyTime> step(Registry& registry, const ListenerPolicy& policy, SteadyTime now,
                                                 std::size_t limit, const PolicyTable* table = nullptr);

private:
    struct Pending {
        Token number;
        SteadyTime first;  ///< first probe; the epoch if none
        SteadyTime last;   ///< latest one
    };
    [[nodiscard]] bool take_over(Connection& connection, const ListenerPolicy& policy,
                                 std::chrono::milliseconds probed_for);
    /// Returns true if the connection has the new plan or has ended.
    [[nodiscard]] bool check(Pending& pending, Registry& registry, const ListenerPolicy& policy, SteadyTime now,
                             const PolicyTable* table);

    SteadyTime began_;
    Done done_;
    PlanTally tally_;
    std::vector<Pending> pending_;
    std::size_t next_ = 0;  // index in pending_, of this round
    std::size_t kept_ = 0;  // connections of this round without an answer, moved to the front
    bool all_visited_ = false;
};

}  // namespace holdfast
