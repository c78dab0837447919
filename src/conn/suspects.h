#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "conn/policy.h"
#include "conn/registry.h"

namespace holdfast {

/// Ends a probe that was forced on `connection` after `silence`, such that the kernel goes on as planned.
void end_forced_probe(Connection& connection, const LivenessPlan& plan, std::chrono::milliseconds silence);

/// Returns the pause between two probes that are forced on a connection that has been suspect for `suspect_for`: a
/// quarter of that, from 1 s up to the plan's own interval.
[[nodiscard]] std::chrono::milliseconds suspect_probe_pause(const LivenessPlan& plan,
                                                            std::chrono::milliseconds suspect_for);

/// Returns true if a suspect that has been silent for `silence` needs a forced probe: the kernel's own probes have not
/// begun or come seldom, and a further one cannot bring the verdict forward.
[[nodiscard]] bool suspect_needs_probe(const LivenessPlan& plan, std::chrono::milliseconds silence);

/// Marks and probes the connections of one shard that did not answer on suspicion, until they answer or end. Closes
/// none. Owns an entry for each, so that other connections cost nothing. The shard owns it; its thread.
class Suspects {
public:
    static constexpr std::chrono::milliseconds look_every{
        500};  ///< between two looks at a suspect; more if they are many
    static constexpr std::chrono::milliseconds slice_pause{10};

    /// Called for each that was heard from again; it is not suspect any more.
    using Answered = std::function<void(Connection&, const Evidence&)>;

    void mark(Connection& connection, Token number, SteadyTime now);
    /// Ends the mark of a connection that ends, or is not to be suspected any longer.
    void unmark(Connection& connection, Token number);
    /// Returns when the mark was set; the connection must be a suspect.
    [[nodiscard]] SteadyTime since(Token number) const { return since_.at(number); }
    [[nodiscard]] std::vector<Token> all() const;

    /// Looks at up to `limit` of those due and probes them, paced. Returns when to call again, or nullopt if none is
    /// left.
    [[nodiscard]] std::optional<SteadyTime> step(Registry& registry, const std::vector<ListenerPolicy>& policies,
                                                 SteadyTime now, std::size_t limit, const Answered& answered);

private:
    struct Due {
        Token number;
        SteadyTime since;  ///< of the mark that it stands for
        SteadyTime at;
        SteadyTime probed;
        bool forced = false;  ///< TCP_KEEPIDLE is lowered
    };
    /// Returns true if the peer was heard from since it was marked.
    [[nodiscard]] static bool look_at(Due& due, Connection& connection, const LivenessPlan& plan,
                                      const Evidence& evidence, SteadyTime now);

    std::unordered_map<Token, SteadyTime> since_;
    std::deque<Due> due_;  // in the order of `at`
};

}  // namespace holdfast
