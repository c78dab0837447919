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

/// Chooses the TLS handshake that makes the next step. What has been begun goes first, in the order in which its bytes
/// came: it is half paid for. One step in four is kept for beginning; there the sources (an IPv4 address, an IPv6 /64)
/// take turns, so that one with thousands delays no other. Pure: time comes in; one thread.
class HandshakeOrder {
public:
    /// Handshakes are dear: 0.2 ms of a core with ECDSA, 1 ms with RSA 2048. So many steps and the turn goes on, so
    /// that those who are in are served while a fleet comes back (docs/explanation/performance.md).
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
    /// Taken out; of those that `exists`, for some are over meanwhile and cost nothing. Nothing: nobody waits, or the
    /// turn has had its share.
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
    /// The first of the source whose turn it is.
    [[nodiscard]] Waiting take_new() {
        const IpAddress source = turns_.front();
        turns_.pop_front();
        const auto queue = new_.find(source);
        const Waiting first = take_first(queue->second);
        queue->second.empty() ? void(new_.erase(queue)) : turns_.push_back(source);
        return first;
    }

    std::deque<Waiting> begun_;
    std::unordered_map<IpAddress, std::deque<Waiting>, NetworkHash> new_;  // by source; none of them empty
    std::deque<IpAddress> turns_;                                          // of the sources in new_
    int steps_left_ = 0;
    int refusals_left_ = 0;
};

}  // namespace holdfast
