#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <unordered_map>

#include <holdfast/endpoint.h>

#include "conn/peer_counts.h"

namespace holdfast {

/// Counts the bytes that the connections of each source hold and could free. The counts decide which connections are
/// shed. Shared by all reactors, because a source's connections are spread over them. Any thread.
class SourceBytes {
public:
    void change(const IpAddress& peer, std::size_t before, std::size_t after) noexcept;
    [[nodiscard]] std::size_t of(const IpAddress& peer) const;
    /// Returns the average bytes of a source, or 0 if no source holds any.
    [[nodiscard]] std::size_t average() const noexcept;
    [[nodiscard]] std::size_t total() const noexcept { return total_.load(std::memory_order_relaxed); }

private:
    struct Part {
        mutable std::mutex mutex;
        std::unordered_map<IpAddress, std::size_t, NetworkHash> bytes;  // guarded by mutex
    };

    void add(Part& part, const IpAddress& network, std::size_t bytes) noexcept;
    void take(Part& part, const IpAddress& network, std::size_t bytes) noexcept;
    // Uses high bits of the hash, since the low bits choose a bucket of the map.
    [[nodiscard]] static std::size_t part_of(const IpAddress& network) { return NetworkHash{}(network) >> 16 & 63U; }

    std::array<Part, 64> parts_;
    std::atomic<std::size_t> total_{0};
    std::atomic<std::size_t> sources_{0};
};

}  // namespace holdfast
