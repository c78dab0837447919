#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include <holdfast/endpoint.h>

namespace holdfast {

/// Bits that make a network, of an IPv4 address (of 32) and of an IPv6 one (of 128).
struct NetworkWidth {
    unsigned v4;
    unsigned v6;
};

/// A subscriber has one IPv4 address or an IPv6 /64 (RFC 4291, 2.5.4).
inline constexpr NetworkWidth subscriber_width{.v4 = 32, .v6 = 64};

/// Returns the network of `peer`, its other bits zero.
[[nodiscard]] IpAddress network_of(const IpAddress& peer, NetworkWidth width) noexcept;

struct NetworkHash {
    [[nodiscard]] std::size_t operator()(const IpAddress& address) const noexcept;
};

/// How many connections each network holds, so that none takes more than its share. A network is what one subscriber
/// is: its address, or as many bits of it as the width says. Any thread.
class PeerCounts {
public:
    explicit PeerCounts(NetworkWidth width) : width_(width) {}

    /// One more, unless there are `most` already.
    [[nodiscard]] bool take(const IpAddress& peer, std::size_t most);
    void give_back(const IpAddress& peer);
    [[nodiscard]] std::size_t networks() const;  ///< that hold any

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
