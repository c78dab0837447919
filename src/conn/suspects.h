#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "conn/policy_table.h"
#include "conn/registry.h"

namespace holdfast {

/// Forces a probe. TCP_KEEPIDLE stays lowered until end_forced_probe(); a change of the plan leaves it alone.
void force_probe(Connection& connection);
/// Ends a forced probe of `connection` after `silence`, so that the kernel continues as planned. If the kernel's next
/// probe is thus put off, the sweep watches the connection and takes that back at the answer.
void end_forced_probe(Connection& connection, const LivenessPlan& plan, std::chrono::milliseconds silence);
/// Sets TCP_KEEPIDLE to the plan's value again. Call it after an answer of the peer: before, the kernel would probe at
/// once and count its intervals from there.
void restore_keepidle(Connection& connection, const LivenessPlan& plan);

/// Returns the pause between two forced probes of a connection that has been suspect for `suspect_for`. The pause is a
/// quarter of that time, from 1 s up to the plan's interval.
[[nodiscard]] std::chrono::milliseconds suspect_probe_pause(const LivenessPlan& plan,
                                                            std::chrono::milliseconds suspect_for);

/// Returns true if a suspect needs a forced probe after `silence`. The kernel's own probes have then not begun or are
/// rare, and a further probe cannot bring the verdict forward.
[[nodiscard]] bool suspect_needs_probe(const LivenessPlan& plan, std::chrono::milliseconds silence);

/// Marks the connections of one shard that did not answer on suspicion, and probes them until they answer or end.
/// Closes none. Owns one entry per suspect; other connections cost nothing. The shard owns it; its thread.
class Suspects {
public:
    /// Time between two checks of a suspect; longer if there are many.
    static constexpr std::chrono::milliseconds check_every{500};
    static constexpr std::chrono::milliseconds slice_pause{10};

    /// Called for each suspect that answered, after its mark ended.
    using Answered = std::function<void(Connection&, const Evidence&)>;

    void mark(Connection& connection, Token number, SteadyTime now);
    /// Ends the mark of a connection that ends or is no longer to be suspected.
    void unmark(Connection& connection, Token number);
    /// Returns the time of the mark. The connection must be a suspect.
    [[nodiscard]] SteadyTime since(Token number) const { return since_.at(number); }
    [[nodiscard]] std::vector<Token> all() const;

    /// Checks up to `limit` due suspects and probes them, paced. Returns when to call again, or nullopt if none is
    /// left.
    [[nodiscard]] std::optional<SteadyTime> step(Registry& registry, const PolicyTable& policies, SteadyTime now,
                                                 std::size_t limit, const Answered& answered);

private:
    struct Due {
        Token number;
        SteadyTime since;  ///< time of the mark that created the entry
        SteadyTime at;
        SteadyTime probed;
        bool forced = false;  ///< TCP_KEEPIDLE is lowered
    };
    /// Returns true if the peer has answered since the mark.
    [[nodiscard]] static bool check(Due& due, Connection& connection, const LivenessPlan& plan,
                                    const Evidence& evidence, SteadyTime now);

    std::unordered_map<Token, SteadyTime> since_;
    std::deque<Due> due_;  // ordered by `at`
};

}  // namespace holdfast
