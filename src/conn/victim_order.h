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

/// Chooses the connections that end when memory for buffers runs out. Unauthenticated connections come before
/// authenticated ones; among equals the sources (an IPv4 address, an IPv6 /64) that hold most pay first, each with its
/// largest holding. Pure; one thread; made for one choice.
class VictimOrder {
public:
    /// Within authenticated and unauthenticated connections, earlier ones end first.
    enum class Rank : std::uint8_t {
        holds,         ///< bytes of an unfinished item, of a downlink queue or of a TLS handshake
        spared,        ///< the same, but there is a reason to end others first: see rank_of()
        begins,        ///< a TLS handshake that has only just begun; limits.max_handshakes bounds them
        idle_session,  ///< a TLS session without any of these
    };
    struct Holder {
        Token number{};
        IpAddress source;              ///< the peer's network: see PeerCounts
        std::size_t source_bytes = 0;  ///< of all connections of that network that are no idle session
        std::size_t bytes = 0;         ///< that its end gives back
        bool authenticated = false;
        Rank rank = Rank::holds;
    };

    /// Before the first next(). Of very many only those are kept that would be the first to end, so that choosing takes
    /// a few milliseconds at most.
    void add(const Holder& holder);

    /// Returns the next to end, each once; nullopt if none is left, or the rest is `authenticated` and may not be
    /// chosen.
    [[nodiscard]] std::optional<Holder> next(bool authenticated_too);

private:
    struct Candidate {
        std::size_t bytes;
        IpAddress source;
    };

    static constexpr std::size_t ranks = 4;  // words of Rank
    static constexpr std::size_t tiers = 2 * ranks;
    static constexpr std::size_t most_kept = 8'192;

    [[nodiscard]] static std::size_t tier_of(const Holder& holder) {
        return (holder.authenticated ? ranks : 0) + static_cast<std::size_t>(holder.rank);
    }
    [[nodiscard]] static bool ends_earlier(const Holder& a, const Holder& b);
    void keep_first();
    void begin();
    void begin_tier();

    std::vector<Holder> holders_;
    std::array<std::vector<std::size_t>, tiers> by_tier_;
    std::unordered_map<IpAddress, std::size_t, NetworkHash> left_;  // of each source, after what was chosen
    bool begun_ = false;
    std::size_t tier_ = 0;
    bool tier_begun_ = false;
    std::unordered_map<IpAddress, std::vector<std::size_t>, NetworkHash> groups_;  // of the tier; the largest last
    std::vector<Candidate> heap_;  // of the tier's sources; the largest in front
};

/// Facts that decide the rank of a connection that is no idle session.
struct HeldMemory {
    bool in_handshake = false;        ///< of TLS
    std::chrono::milliseconds age{};  ///< of the handshake or of the unfinished item
    bool drains = false;              ///< it has no unfinished item, and its peer takes what is queued for it
    std::size_t bytes = 0;            ///< of this connection
    std::size_t source_bytes = 0;     ///< of its source
    std::size_t average = 0;          ///< of all sources
};

/// Spared are a connection that has begun within the last second and is all that its source holds, since honest items
/// are large for a moment only, and one whose source holds less than half the average, since slow links take long.
[[nodiscard]] VictimOrder::Rank rank_of(const HeldMemory& held) noexcept;

/// The connections that hold memory, as far as they have been looked at.
struct Census {
    VictimOrder order;
    std::uint32_t next_slot = 1;
};

}  // namespace holdfast
