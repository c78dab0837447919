#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// What a connection still owes before it is open, and nothing that it may keep afterwards.
struct Preamble {
    enum class Step : std::uint8_t {
        turn,        ///< waits for accept_rate; see AcceptQueue
        header,      ///< the proxy's, of the PROXY protocol
        first_byte,  ///< of a connection that the proxy says is its own: a health check ends before it
        handshake,   ///< of TLS
    };
    Step step{};
    bool bare = true;          ///< nothing of a device has been seen: if the peer ends it now, it was a health check
    bool corpse = false;       ///< its peer had shut down at accept: it cost no turn of accept_rate
    bool turned_away = false;  ///< by a limit: it never was a connection
    bool shaking = false;      ///< hands, with a session of its own: it counts for max_handshakes
    bool queued = false;       ///< its next step of the handshake waits for its turn
    SteadyTime began = {};
    // In attended time.
    SteadyTime due = {};  ///< moves on while its bytes wait for their turn
    SteadyTime queued_since = {};
};

/// The connections of one shard that are not open yet, each with the one deadline that all have. Owns what is known of
/// them; no memory for a connection that has none. The shard's thread.
class Preambles {
public:
    static constexpr std::chrono::seconds deadline{5};

    void begin(Token number, Preamble preamble, SteadyTime now) {
        preamble.due = now + deadline;
        under_way_.emplace(number, preamble);
        deadlines_.emplace(preamble.due, number);
    }
    /// Has overdue() return one again.
    void put_off(Token number, SteadyTime until) { deadlines_.emplace(until, number); }
    /// The connection waits for its turn, for as long as that takes.
    void wait(Token number) { under_way_.emplace(number, Preamble{.step = Preamble::Step::turn}); }
    /// Nullptr: it has none, or it is over.
    [[nodiscard]] Preamble* find(Token number) {
        const auto found = under_way_.find(number);
        return found == under_way_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] bool waits(Token number) const {
        const auto found = under_way_.find(number);
        return found != under_way_.end() && found->second.step == Preamble::Step::turn;
    }
    [[nodiscard]] bool under_way(Token number) const { return under_way_.contains(number); }
    void end(Token number) { under_way_.erase(number); }

    /// When next() may have something to say; nothing: all are over.
    [[nodiscard]] std::optional<SteadyTime> next_deadline() {
        while (!deadlines_.empty() && !under_way_.contains(deadlines_.begin()->second)) {
            deadlines_.erase(deadlines_.begin());
        }
        return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
    }
    /// Returns one whose time is up, each once; nullopt if there is none. `now` is attended time, as begin()'s.
    [[nodiscard]] std::optional<Token> overdue(SteadyTime now) {
        const auto due = next_deadline();
        if (!due || *due > now) return std::nullopt;
        const Token number = deadlines_.begin()->second;
        deadlines_.erase(deadlines_.begin());
        return number;
    }

private:
    std::unordered_map<Token, Preamble> under_way_;
    std::multimap<SteadyTime, Token> deadlines_;  // of some that are over, too
};

}  // namespace holdfast
