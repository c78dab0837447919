#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>

#include <holdfast/endpoint.h>

#include "base/clock.h"
#include "conn/peer_counts.h"
#include "reactor/poller.h"

namespace holdfast {

/// Table of one shard's TLS handshakes under way, by source (an IPv4 address, an IPv6 /64). At limits.max_handshakes, a
/// new handshake may replace the oldest of the source with most. Pure; one thread.
class HalfOpen {
public:
    void add(Token number, const IpAddress& peer, SteadyTime now) {
        const IpAddress source = network_of(peer, subscriber_width);
        const std::uint64_t order = next_order_++;
        places_.emplace(number, Place{source, order});
        auto& members = sources_[source];
        ranks_.erase(rank_of(source, members));
        members.emplace(order, Member{number, now});
        ranks_.insert(rank_of(source, members));
    }

    /// Removes a handshake; ignores an unknown number.
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

    struct Candidate {
        Token number{};
        SteadyTime since;  ///< start of its handshake
        /// The source has more than the newcomer's would have; otherwise only a slow handshake is replaced.
        bool by_share = false;
    };
    /// Returns the handshake that a new one may replace, or nullopt if there is none. Among sources of equal size it is
    /// the oldest.
    [[nodiscard]] std::optional<Candidate> to_replace(const IpAddress& newcomer) const {
        if (ranks_.empty()) return std::nullopt;
        const Members& max = sources_.at(std::get<2>(*ranks_.begin()));
        const auto own = sources_.find(network_of(newcomer, subscriber_width));
        const std::size_t would_have = 1 + (own == sources_.end() ? 0 : own->second.size());
        const Member& oldest = max.begin()->second;
        return Candidate{oldest.number, oldest.since, max.size() > would_have};
    }

private:
    struct Member {
        Token number{};
        SteadyTime since;
    };
    using Members = std::map<std::uint64_t, Member>;  // by order of arrival
    struct Place {
        IpAddress source;
        std::uint64_t order;
    };
    /// Sort key: the source with most members comes first, among equals the one with the oldest member.
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
