#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include <holdfast/endpoint.h>

namespace holdfast {

/// Prefix length of a network, in bits, for IPv4 (of 32) and IPv6 (of 128).
struct NetworkWidth {
    unsigned v4;
    unsigned v6;
};

/// Width of one subscriber's network: an IPv4 address or an IPv6 /64 (RFC 4291, 2.5.4).
inline constexpr NetworkWidth subscriber_width{.v4 = 32, .v6 = 64};

/// Returns the network of `peer`; the other bits are zero.
[[nodiscard]] IpAddress network_of(const IpAddress& peer, NetworkWidth width) noexcept;

struct NetworkHash {
    [[nodiscard]] std::size_t operator()(const IpAddress& address) const noexcept;
};

/// Counts the connections of each network, so that none exceeds its limit. The width determines the size of a network.
/// Any thread.
class PeerCounts {
public:
    explicit PeerCounts(NetworkWidth width) : width_(width) {}

    /// Counts one more connection of `peer`. Returns false if its network has `max` already.
    [[nodiscard]] bool take(const IpAddress& peer, std::size_t max);
    void give_back(const IpAddress& peer);
    [[nodiscard]] std::size_t networks() const;  ///< networks with at least one connection

private:
    struct Part {
        mutable std::mutex mutex;
        std::unordered_map<IpAddress, std::uint32_t, NetworkHash> counts;  // guarded by mutex
    };

    [[nodiscard]] Part& part_of(const IpAddress& network) { return parts_[NetworkHash{}(network) % parts_.size()]; }

    const NetworkWidth width_;
    std::array<Part, 64> parts_;
};

}  // namespace holdfast
