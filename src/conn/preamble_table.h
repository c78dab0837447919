#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "reactor/poller.h"
#include "tls/tls_session.h"

namespace holdfast {

/// Progress of one connection in its preamble.
struct PreambleState {
    enum class Step : std::uint8_t {
        turn,        ///< wait for accept_rate; see AcceptQueue
        header,      ///< the PROXY header
        first_byte,  ///< after the header of the proxy's own connection
        handshake,   ///< the TLS handshake
        item_byte,   ///< a health check that has no handshake ahead of it
    };
    Step step{};
    bool bare = true;            ///< no byte arrived; an end by the peer now is a health check
    bool own = false;            ///< the proxy's own connection; a health check until the first byte of an item
    bool peer_had_shut = false;  ///< before accept; it used no turn of accept_rate
    bool turned_away = false;    ///< refused by a limit: not counted as a connection
    bool in_handshake = false;   ///< has a TLS session and counts for max_handshakes
    bool queued = false;         ///< waits for the next step of its handshake
    SteadyTime began = {};
    // Attended time.
    SteadyTime due = {};  ///< moves on while its bytes wait for a handshake step
    SteadyTime queued_since = {};
};

/// Table of one shard's connections in the preamble. All have the same deadline. Owns their progress; other connections
/// cost no memory. The shard's thread.
class PreambleTable {
public:
    static constexpr std::chrono::seconds deadline{5};

    void begin(Token number, PreambleState preamble, SteadyTime now) {
        preamble.due = now + deadline;
        under_way_.emplace(number, preamble);
        deadlines_.emplace(preamble.due, number);
    }
    /// Makes overdue() return the connection again after `until`.
    void put_off(Token number, SteadyTime until) { deadlines_.emplace(until, number); }
    /// Adds a connection that waits for accept_rate, without a deadline.
    void wait(Token number) { under_way_.emplace(number, PreambleState{.step = PreambleState::Step::turn}); }
    /// Returns nullptr if the connection is not in its preamble.
    [[nodiscard]] PreambleState* find(Token number) {
        const auto found = under_way_.find(number);
        return found == under_way_.end() ? nullptr : &found->second;
    }
    [[nodiscard]] bool is_under_way(Token number) const { return under_way_.contains(number); }
    void end(Token number) { under_way_.erase(number); }

    /// Returns the time of the next deadline, or nullopt if there is none.
    [[nodiscard]] std::optional<SteadyTime> next_deadline() {
        while (!deadlines_.empty() && !under_way_.contains(deadlines_.begin()->second)) {
            deadlines_.erase(deadlines_.begin());
        }
        return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
    }
    /// Returns a connection whose deadline has passed, each once, or nullopt. `now` is attended time, as in begin().
    [[nodiscard]] std::optional<Token> overdue(SteadyTime now) {
        const auto due = next_deadline();
        if (!due || *due > now) return std::nullopt;
        const Token number = deadlines_.begin()->second;
        deadlines_.erase(deadlines_.begin());
        return number;
    }

private:
    std::unordered_map<Token, PreambleState> under_way_;
    std::multimap<SteadyTime, Token> deadlines_;  // includes connections that have ended
};

/// Owns the TLS sessions of one shard's connections, by descriptor. Uses no memory if no connection is encrypted. One
/// thread.
class TlsSessions {
public:
    void put(int fd, std::unique_ptr<TlsSession> session) {
        const auto place = static_cast<std::size_t>(fd);
        if (sessions_.size() <= place) sessions_.resize(place + 1);
        sessions_[place] = std::move(session);
    }
    [[nodiscard]] TlsSession& of(int fd) const {
        HOLDFAST_CHECK(static_cast<std::size_t>(fd) < sessions_.size());
        TlsSession* session = sessions_[static_cast<std::size_t>(fd)].get();
        HOLDFAST_CHECK(session != nullptr);
        return *session;
    }
    void end(int fd) { sessions_[static_cast<std::size_t>(fd)].reset(); }

private:
    std::vector<std::unique_ptr<TlsSession>> sessions_;
};

}  // namespace holdfast
