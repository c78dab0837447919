#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include <holdfast/endpoint.h>

#include "conn/peer_counts.h"
#include "reactor/poller.h"

namespace holdfast {

/// The TLS handshakes under way in one shard, by source (an IPv4 address, an IPv6 /64). When limits.max_handshakes are
/// under way, a newcomer takes the place of another: of the source with most, the oldest. Pure; one thread.
class HalfOpen {
public:
    void add(Token number, const IpAddress& peer) {
        const IpAddress source = network_of(peer, subscriber_width);
        const std::uint64_t order = next_order_++;
        places_.emplace(number, Place{source, order});
        auto& members = sources_[source];
        ranks_.erase(rank_of(source, members));
        members.emplace(order, number);
        ranks_.insert(rank_of(source, members));
    }

    /// Does nothing for a number that is not in here.
    void remove(Token number) {
        const auto place = places_.find(number);
        if (place == places_.end()) return;
        const auto [source, order] = place->second;
        places_.erase(place);
        auto& members = sources_[source];
        ranks_.erase(rank_of(source, members));
        members.erase(order);
        members.empty() ? void(sources_.erase(source)) : void(ranks_.insert(rank_of(source, members)));
    }

    /// Returns the one whose place a newcomer takes; nullopt if there is none. Among sources with equally many it is
    /// the oldest.
    [[nodiscard]] std::optional<Token> to_replace() const {
        if (ranks_.empty()) return std::nullopt;
        return sources_.at(std::get<2>(*ranks_.begin())).begin()->second;
    }

private:
    using Members = std::map<std::uint64_t, Token>;  // by order of arrival
    struct Place {
        IpAddress source;
        std::uint64_t order;
    };
    /// The first in a set is the one with most members; then with the oldest.
    using Rank = std::tuple<std::int64_t, std::uint64_t, IpAddress>;

    [[nodiscard]] static Rank rank_of(const IpAddress& source, const Members& members) {
        const std::uint64_t oldest = members.empty() ? 0 : members.begin()->first;
        return {-static_cast<std::int64_t>(members.size()), oldest, source};
    }

    std::unordered_map<Token, Place> places_;
    std::unordered_map<IpAddress, Members, NetworkHash> sources_;
    std::set<Rank> ranks_;
    std::uint64_t next_order_ = 0;
};

}  // namespace holdfast
