#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "conn/policy.h"
#include "conn/registry.h"

namespace holdfast {

/// How many connections a new plan was given to.
struct PlanTally {
    std::size_t changed = 0;  ///< options set and read back
    std::size_t refused = 0;  ///< of those, where the kernel says otherwise
    std::size_t asked = 0;    ///< were quiet for too long for the new plan: asked first, by a probe
    std::size_t gone = 0;     ///< of those, ended before they answered
};

/// Takes the living connections of one listener over to its new plan. To one that has been quiet for longer than the
/// new plan's idle time, the kernel would allow a single probe or none: such a one is asked first, under its old
/// options, and gets the new ones when it has answered; the sweep ends it if it does not. The shard owns it; its
/// thread. Ends by `done`, or forgotten when the plan changes again.
class PlanChange {
public:
    using Done = std::function<void(const PlanTally&)>;

    PlanChange(SteadyTime began, Done done) : began_(began), done_(std::move(done)) {}

    /// A connection of the listener, as the walk over all comes by.
    void visit(Connection& connection, Token number, const ListenerPolicy& policy);
    void all_visited() { all_visited_ = true; }
    /// Looks at up to `limit` of those that were asked. Returns when to call again; nothing: it has ended.
    [[nodiscard]] std::optional<SteadyTime> step(Registry& registry, const ListenerPolicy& policy, SteadyTime now,
                                                 std::size_t limit);

private:
    struct Asked {
        Token number;
        SteadyTime last;  ///< epoch: not yet
    };
    [[nodiscard]] bool take_over(Connection& connection, const ListenerPolicy& policy, bool however_quiet);
    /// True: it is done with.
    [[nodiscard]] bool look_at(Asked& asked, Registry& registry, const ListenerPolicy& policy, SteadyTime now);

    SteadyTime began_;
    Done done_;
    PlanTally tally_;
    std::vector<Asked> asked_;
    std::size_t next_ = 0;  // in asked_, of this round
    std::size_t kept_ = 0;  // of this round's, those that have not answered, moved to the front
    bool all_visited_ = false;
};

}  // namespace holdfast
