#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include <holdfast/endpoint.h>

#include "conn/peer_counts.h"
#include "reactor/poller.h"

namespace holdfast {

/// Chooses the connections to shed under memory pressure. Unauthenticated connections come first. Among equals, the
/// sources (an IPv4 address, an IPv6 /64) that hold most lose their largest connections. Pure; one thread; built for
/// one choice.
class VictimOrder {
public:
    /// Order of shedding within authenticated and unauthenticated connections; earlier ranks end first.
    enum class Rank : std::uint8_t {
        holds,         ///< holds a partial item, a downlink queue or a TLS handshake
        spared,        ///< holds one of these, but others should end first; see rank_of()
        begins,        ///< TLS handshake that has just begun; limits.max_handshakes bounds these
        idle_session,  ///< holds a TLS session and none of these
    };
    struct Holder {
        Token number{};
        IpAddress source;              ///< the peer's network; see PeerCounts
        std::size_t source_bytes = 0;  ///< bytes of the network's connections, without idle sessions
        std::size_t bytes = 0;         ///< freed by its end
        bool authenticated = false;
        Rank rank = Rank::holds;
    };

    /// Adds a candidate, before the first next(). Keeps only those of very many that would end first, so that choosing
    /// takes a few milliseconds at most.
    void add(const Holder& holder);

    /// Returns the next connection to shed, each once. Returns nullopt if none is left, or if the rest are
    /// `authenticated` and excluded.
    [[nodiscard]] std::optional<Holder> next(bool authenticated_too);

private:
    struct Candidate {
        std::size_t bytes;
        IpAddress source;
    };

    static constexpr std::size_t ranks = 4;  // number of enumerators of Rank
    static constexpr std::size_t tiers = 2 * ranks;
    static constexpr std::size_t max_kept = 8'192;

    [[nodiscard]] static std::size_t tier_of(const Holder& holder) {
        return (holder.authenticated ? ranks : 0) + static_cast<std::size_t>(holder.rank);
    }
    [[nodiscard]] static bool ends_earlier(const Holder& a, const Holder& b);
    void keep_first();
    void begin();
    void begin_tier();

    std::vector<Holder> holders_;
    std::array<std::vector<std::size_t>, tiers> by_tier_;
    std::unordered_map<IpAddress, std::size_t, NetworkHash> left_;  // bytes of each source after the choices so far
    bool begun_ = false;
    std::size_t tier_ = 0;
    bool tier_begun_ = false;
    // Sources of the tier; largest connection last.
    std::unordered_map<IpAddress, std::vector<std::size_t>, NetworkHash> groups_;
    std::vector<Candidate> heap_;  // sources of the tier; largest in front
};

/// Facts that decide the rank of a connection with more than an idle session.
struct HeldMemory {
    bool in_handshake = false;        ///< TLS handshake under way
    std::chrono::milliseconds age{};  ///< age of the handshake or partial item
    bool drains = false;              ///< no partial item, and the peer drains its downlink queue
    std::size_t bytes = 0;            ///< bytes of this connection
    std::size_t source_bytes = 0;     ///< bytes of its source
    std::size_t average = 0;          ///< average bytes of all sources
};

/// Returns the rank. The only holding of a source is spared for a second, since honest items are large only briefly. A
/// source below half the average is spared, since slow links take long. A connection whose peer drains its queue is
/// spared.
[[nodiscard]] VictimOrder::Rank rank_of(const HeldMemory& held) noexcept;

/// Connections that hold memory, in the slots visited so far.
struct Census {
    VictimOrder order;
    std::uint32_t next_slot = 1;
};

}  // namespace holdfast
