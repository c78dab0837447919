#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Progress of one connection in its preamble.
struct PreambleState {
    enum class Step : std::uint8_t {
        turn,        ///< waits for accept_rate; see AcceptQueue
        header,      ///< the proxy's, of the PROXY protocol
        first_byte,  ///< of a connection that the proxy says is its own: a health check ends before it
        handshake,   ///< of TLS
    };
    Step step{};
    bool bare = true;            ///< no byte of a device has been seen: if the peer ends it now, it was a health check
    bool peer_had_shut = false;  ///< before accept: it took nothing of accept_rate
    bool turned_away = false;    ///< by a limit: it never was a connection
    bool in_handshake = false;   ///< of TLS, with a session of its own: it counts for max_handshakes
    bool queued = false;         ///< its next step of the handshake waits for its turn
    SteadyTime began = {};
    // In attended time.
    SteadyTime due = {};  ///< moves on while its bytes wait for their turn
    SteadyTime queued_since = {};
};

/// The connections of one shard in their preamble, each with the one deadline that all have. Owns their progress; other
/// connections cost no memory. The shard's thread.
class PreambleTable {
public:
    static constexpr std::chrono::seconds deadline{5};

    void begin(Token number, PreambleState preamble, SteadyTime now) {
        preamble.due = now + deadline;
        under_way_.emplace(number, preamble);
        deadlines_.emplace(preamble.due, number);
    }
    /// Has overdue() return one again.
    void put_off(Token number, SteadyTime until) { deadlines_.emplace(until, number); }
    /// The connection waits for its turn, for as long as that takes.
    void wait(Token number) { under_way_.emplace(number, PreambleState{.step = PreambleState::Step::turn}); }
    /// Returns nullptr if the connection is not in its preamble.
    [[nodiscard]] PreambleState* find(Token number) {
        const auto found = under_way_.find(number);
        return found == under_way_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] bool is_under_way(Token number) const { return under_way_.contains(number); }
    void end(Token number) { under_way_.erase(number); }

    /// Returns when the next deadline may be over, or nullopt if there is none.
    [[nodiscard]] std::optional<SteadyTime> next_deadline() {
        while (!deadlines_.empty() && !under_way_.contains(deadlines_.begin()->second)) {
            deadlines_.erase(deadlines_.begin());
        }
        return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
    }
    /// Returns a connection whose deadline is over, each once, or nullopt. `now` is attended time, as begin()'s.
    [[nodiscard]] std::optional<Token> overdue(SteadyTime now) {
        const auto due = next_deadline();
        if (!due || *due > now) return std::nullopt;
        const Token number = deadlines_.begin()->second;
        deadlines_.erase(deadlines_.begin());
        return number;
    }

private:
    std::unordered_map<Token, PreambleState> under_way_;
    std::multimap<SteadyTime, Token> deadlines_;  // of some that are over, too
};

}  // namespace holdfast
