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

/// The accepted connections of one reactor that wait for accept_rate. Sources (an IPv4 address, an IPv6 /64) take
/// turns, so that one with many connections delays nobody but itself; within a source the order of accept holds. Owns
/// about 200 bytes for each that waits; a step takes at most logarithmic time. The shard's thread.
class AcceptQueue {
public:
    void add(const IpAddress& peer, Token number);
    /// The connection waits no longer: it was let in, or it ended. Returns false if it did not wait.
    bool remove(Token number);
    /// Returns the latest connection of the source with the most, if that source has at least two more than `peer`'s.
    [[nodiscard]] std::optional<Token> crowding_out(const IpAddress& peer) const;
    /// Returns the connection whose turn it is, and removes it.
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

    Sizes sizes_;        // sources by how many of theirs wait
    Rotation rotation_;  // the source whose turn is next in front; none is empty
    std::unordered_map<IpAddress, Rotation::iterator, NetworkHash> sources_;
    std::unordered_map<Token, Place> places_;
};

}  // namespace holdfast
