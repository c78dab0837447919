#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <unordered_map>

#include <holdfast/endpoint.h>

#include "conn/peer_counts.h"
#include "reactor/poller.h"

namespace holdfast {

/// Queue of one reactor's accepted connections that wait for accept_rate. Sources (an IPv4 address, an IPv6 /64) take
/// turns, so a large one delays only itself; within a source it is first in, first out. Owns about 200 bytes per entry;
/// each call takes at most logarithmic time. The shard's thread.
class AcceptQueue {
public:
    void add(const IpAddress& peer, Token number);
    /// Removes a connection that was admitted or has ended. Returns false if it was not queued.
    bool remove(Token number);
    /// Returns the latest connection of the source with most entries if that source has at least two more than
    /// `peer`'s; else nullopt.
    [[nodiscard]] std::optional<Token> crowding_out(const IpAddress& peer) const;
    /// Removes and returns the next connection, or nullopt if the queue is empty.
    [[nodiscard]] std::optional<Token> next();

    [[nodiscard]] bool contains(Token number) const { return places_.contains(number); }
    [[nodiscard]] std::size_t size() const { return places_.size(); }
    [[nodiscard]] bool empty() const { return places_.empty(); }
    [[nodiscard]] std::size_t sources() const { return rotation_.size(); }

private:
    struct Source;
    using Rotation = std::list<Source>;
    using Sizes = std::multimap<std::size_t, const Source*>;
    struct Source {
        IpAddress network;
        std::list<Token> waiting = {};
        Sizes::iterator size = {};
    };
    struct Place {
        Rotation::iterator source;
        std::list<Token>::iterator at;
    };

    void note_size(Source& source);

    Sizes sizes_;        // sources by their number of waiting connections
    Rotation rotation_;  // sources in turn order, next in front; none is empty
    std::unordered_map<IpAddress, Rotation::iterator, NetworkHash> sources_;
    std::unordered_map<Token, Place> places_;
};

}  // namespace holdfast
