#pragma once

#include <chrono>
#include <deque>
#include <optional>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Whose TLS handshake makes its next step: in the order in which their bytes came, but what has been begun goes first,
/// for it is half paid for; one step in four is kept for beginning. Pure: time comes in; one thread.
class HandshakeOrder {
public:
    /// Handshakes are dear: 0.2 ms of a core with ECDSA, 1 ms with RSA 2048. So many steps and the turn goes on, so
    /// that those who are in are served while a fleet comes back (docs/PERFORMANCE.md).
    static constexpr int steps_a_turn = 4;
    /// Of the five seconds that a preamble may take. One that begins with little of them left runs out of time
    /// half-way, and so do all behind it: a crowd that comes back would never be in. It is turned away, and comes
    /// again.
    static constexpr std::chrono::milliseconds longest_wait_to_begin{1'500};
    static constexpr int refusals_a_turn = 64;

    struct Next {
        Token number{};
        bool too_late = false;  ///< it has waited too long to begin: turn it away
    };

    /// Its bytes have come; it must not be in here already.
    void add(Token number, bool begun, SteadyTime now) { (begun ? begun_ : new_).push_back({number, now}); }
    [[nodiscard]] bool empty() const { return begun_.empty() && new_.empty(); }

    void begin_turn() {
        steps_left_ = steps_a_turn;
        refusals_left_ = refusals_a_turn;
    }
    /// Taken out; of those that `exists`, for some are over meanwhile and cost nothing. Nothing: nobody waits, or the
    /// turn has had its share.
    template <typename Exists>
    [[nodiscard]] std::optional<Next> next(SteadyTime now, Exists exists) {
        while (!empty() && steps_left_ > 0 && refusals_left_ > 0) {
            const bool begun = !begun_.empty() && (steps_left_ > 1 || new_.empty());
            std::deque<Waiting>& queue = begun ? begun_ : new_;
            const Waiting first = queue.front();
            queue.pop_front();
            if (!exists(first.number)) continue;
            const bool too_late = !begun && now - first.since > longest_wait_to_begin;
            --(too_late ? refusals_left_ : steps_left_);
            return Next{first.number, too_late};
        }
        return std::nullopt;
    }

private:
    struct Waiting {
        Token number{};
        SteadyTime since;
    };

    std::deque<Waiting> begun_;
    std::deque<Waiting> new_;
    int steps_left_ = 0;
    int refusals_left_ = 0;
};

}  // namespace holdfast
