#pragma once

#include <chrono>
#include <deque>
#include <optional>
#include <unordered_map>

#include <holdfast/endpoint.h>

#include "base/clock.h"
#include "conn/peer_counts.h"
#include "reactor/poller.h"

namespace holdfast {

/// Chooses the TLS handshake that makes the next step. Handshakes under way go first, in the order of their input,
/// since half their cost is spent. One step in four is reserved for new ones. There, sources (an IPv4 address, an IPv6
/// /64) take turns, so that none delays another. Pure; one thread.
class HandshakeScheduler {
public:
    /// Limits the handshake steps of a turn, so that open connections are served while a fleet reconnects. A handshake
    /// costs 0.2 ms of a core with ECDSA and 1 ms with RSA 2048 (docs/explanation/performance.md).
    static constexpr int steps_a_turn = 4;
    /// Limits the wait of a new handshake, out of the five seconds of a preamble. A handshake that begins later would
    /// time out half-way, and so would all behind it: a reconnecting fleet would never connect. Such a handshake is
    /// refused instead, and the device tries again.
    static constexpr std::chrono::milliseconds longest_wait_to_begin{1'500};
    static constexpr int refusals_a_turn = 64;

    struct Next {
        Token number{};
        bool too_late = false;  ///< waited too long to begin: refuse it
    };

    /// Adds a connection with new input, which must not be queued already.
    void add(Token number, const IpAddress& peer, bool begun, SteadyTime now) {
        if (begun) return begun_.push_back({number, now});
        const IpAddress source = network_of(peer, subscriber_width);
        std::deque<Waiting>& queue = new_[source];
        if (queue.empty()) turns_.push_back(source);
        queue.push_back({number, now});
    }
    [[nodiscard]] bool empty() const { return begun_.empty() && turns_.empty(); }

    void begin_turn() {
        steps_left_ = steps_a_turn;
        refusals_left_ = refusals_a_turn;
    }
    /// Removes and returns the next connection that `exists`; the others have ended and cost no step. Returns nullopt
    /// if none waits or the turn's share is used up.
    template <typename Exists>
    [[nodiscard]] std::optional<Next> next(SteadyTime now, Exists exists) {
        while (!empty() && steps_left_ > 0 && refusals_left_ > 0) {
            const bool begun = !begun_.empty() && (steps_left_ > 1 || turns_.empty());
            const Waiting first = begun ? take_first(begun_) : take_new();
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

    [[nodiscard]] static Waiting take_first(std::deque<Waiting>& queue) {
        const Waiting first = queue.front();
        queue.pop_front();
        return first;
    }
    /// Removes and returns the first connection of the source whose turn it is.
    [[nodiscard]] Waiting take_new() {
        const IpAddress source = turns_.front();
        turns_.pop_front();
        const auto queue = new_.find(source);
        const Waiting first = take_first(queue->second);
        queue->second.empty() ? void(new_.erase(queue)) : turns_.push_back(source);
        return first;
    }

    std::deque<Waiting> begun_;
    std::unordered_map<IpAddress, std::deque<Waiting>, NetworkHash> new_;  // by source; no queue is empty
    std::deque<IpAddress> turns_;                                          // turns of the sources in new_
    int steps_left_ = 0;
    int refusals_left_ = 0;
};

}  // namespace holdfast
