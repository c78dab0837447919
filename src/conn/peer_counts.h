#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include <holdfast/endpoint.h>

namespace holdfast {

/// How many connections each network holds, so that none takes more than its share. A network is what one subscriber
/// is: its address, or as many bits of it as the width says. Any thread.
class PeerCounts {
public:
    /// Bits that make a network, of an IPv4 address (of 32) and of an IPv6 one (of 128).
    struct Width {
        unsigned v4;
        unsigned v6;
    };
    explicit PeerCounts(Width width) : width_(width) {}

    /// One more, unless there are `most` already.
    [[nodiscard]] bool take(const IpAddress& peer, std::size_t most);
    void give_back(const IpAddress& peer);
    [[nodiscard]] std::size_t networks() const;  ///< that hold any

private:
    struct Hash {
        std::size_t operator()(const IpAddress& address) const noexcept;
    };
    struct Part {
        mutable std::mutex mutex;
        std::unordered_map<IpAddress, std::uint32_t, Hash> counts;  // guarded by mutex
    };

    [[nodiscard]] IpAddress network_of(const IpAddress& peer) const;
    [[nodiscard]] Part& part_of(const IpAddress& network) { return parts_[Hash{}(network) % parts_.size()]; }

    const Width width_;
    std::array<Part, 64> parts_;
};

}  // namespace holdfast
