#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include <holdfast/status.h>

#include "base/clock.h"
#include "conn/policy_table.h"
#include "conn/registry.h"

namespace holdfast {

/// Result of one probe of a reactor's connections.
struct ProbeFindings {
    std::size_t probed = 0;
    std::size_t alive = 0;
    std::vector<Token> silent;
    ProbeAnswer last;  ///< the latest verdict: the answer if one connection was probed (its id is not set)
};

/// Probes some of a reactor's connections: probe() each, and call step() until every verdict is known. Forces
/// keep-alive probes, repeats them with probe_spacing and restores the planned options. Ends by `done`, called once.
/// The shard owns it; its thread.
class ProbeRun {
public:
    using Done = std::function<void(ProbeFindings)>;

    /// Treatment of a connection that was active within the last second and cannot be probed yet. `is_alive` counts it
    /// as alive as of then, `probe_soon` probes it once the second has passed.
    enum class JustHeard : std::uint8_t { is_alive, probe_soon };

    ProbeRun(std::chrono::milliseconds timeout, JustHeard just_heard, Done done)
        : timeout_(timeout), just_heard_(just_heard), done_(std::move(done)) {}

    void probe(Connection& connection, Token number, const LivenessPlan& plan, SteadyTime now);
    void all_probed() { all_probed_ = true; }
    /// Checks up to `limit` connections that have not answered. Returns when to call again, or nullopt if the run has
    /// ended.
    [[nodiscard]] std::optional<SteadyTime> step(Registry& registry, const PolicyTable& policies, SteadyTime now,
                                                 std::size_t limit);
    /// Ends the run early; connections without an answer count as silent.
    void give_up(Registry& registry, const PolicyTable& policies, SteadyTime now);

private:
    struct Waiting {
        Token number;
        SteadyTime began;        ///< time of probe()
        SteadyTime first_probe;  ///< first probe, or its planned time
        SteadyTime last_probe;
        bool was_probed = true;
        bool forced = false;  ///< TCP_KEEPIDLE is lowered
    };

    enum class Sample : std::uint8_t { answered, waits };
    [[nodiscard]] Sample check(Waiting& waiting, Registry& registry, const PolicyTable& policies, SteadyTime now);
    [[nodiscard]] Sample check_just_heard(Waiting& waiting, Connection& connection, const Evidence& evidence,
                                          SteadyTime now);
    [[nodiscard]] Sample check_unanswered(Waiting& waiting, Connection& connection, const LivenessPlan& plan,
                                          std::chrono::milliseconds last_heard, SteadyTime now);
    void probe_again(Waiting& waiting, Connection& connection, const LivenessPlan& plan,
                     std::chrono::milliseconds last_heard, SteadyTime now);
    void count_alive(const Evidence& evidence, std::chrono::milliseconds waited);
    void count_silent(const Waiting& waiting, std::chrono::milliseconds last_heard, SteadyTime now);
    [[nodiscard]] SteadyTime next_round(SteadyTime now);
    void finish();

    std::chrono::milliseconds timeout_;
    JustHeard just_heard_;
    Done done_;
    std::vector<Waiting> waiting_;
    bool all_probed_ = false;
    std::size_t next_ = 0;  // index in waiting_, of this round
    std::size_t kept_ = 0;  // connections of this round that still wait, moved to the front
    std::chrono::milliseconds pause_{2};
    ProbeFindings findings_;
};

}  // namespace holdfast
