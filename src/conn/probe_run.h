#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include <holdfast/server.h>

#include "base/clock.h"
#include "conn/policy.h"
#include "conn/registry.h"

namespace holdfast {

/// What one question to a reactor's connections found.
struct ProbeFindings {
    std::size_t asked = 0;
    std::size_t alive = 0;
    std::vector<Token> silent;
    ProbeAnswer last;  ///< of the verdict given last: the answer, when one connection was asked (its id is not set)
};

/// One question to some of a reactor's connections: which of you are there? ask() each, meanwhile step() until it says
/// that every verdict is in. It forces keep-alive probes, repeats them at the spacing that receivers answer at, and
/// puts the planned options back. Ends by `done`, called once. The shard owns it; its thread.
class ProbeRun {
public:
    using Done = std::function<void(ProbeFindings)>;

    /// Who was heard from within the last second cannot be asked yet: is he alive as of then, or is he to be asked
    /// once the second is over?
    enum class JustHeard : std::uint8_t { is_alive, ask_soon };

    ProbeRun(std::chrono::milliseconds timeout, JustHeard just_heard, Done done)
        : timeout_(timeout), just_heard_(just_heard), done_(std::move(done)) {}

    void ask(Connection& connection, Token number, const LivenessPlan& plan, SteadyTime now);
    void all_asked() { all_asked_ = true; }
    /// Looks at up to `limit` of those that have not answered. Returns when to call again; nothing: it has ended.
    [[nodiscard]] std::optional<SteadyTime> step(Registry& registry, const std::vector<ListenerPolicy>& policies,
                                                 SteadyTime now, std::size_t limit);
    /// Ends it early: who has not answered counts as silent.
    void give_up(Registry& registry, const std::vector<ListenerPolicy>& policies, SteadyTime now);

private:
    struct Waiting {
        Token number;
        SteadyTime began;  ///< when the question reached it
        SteadyTime asked;  ///< first; before that, when it was to be
        SteadyTime asked_last;
        bool was_asked = true;
        bool forced = false;  ///< TCP_KEEPIDLE is lowered
    };

    enum class Look : std::uint8_t { answered, waits };
    [[nodiscard]] Look look_at(Waiting& waiting, Registry& registry, const std::vector<ListenerPolicy>& policies,
                               SteadyTime now);
    [[nodiscard]] Look look_at_just_heard(Waiting& waiting, const Connection& connection, const Evidence& evidence,
                                          SteadyTime now);
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
    bool all_asked_ = false;
    std::size_t next_ = 0;  // in waiting_, of this round
    std::size_t kept_ = 0;  // of this round's, those that still wait, moved to the front
    std::chrono::milliseconds pause_{2};
    ProbeFindings findings_;
};

}  // namespace holdfast
