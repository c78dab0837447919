#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/status.h>

#include "conn/buffer_budget.h"
#include "conn/peer_counts.h"
#include "conn/rate_limiter.h"

namespace holdfast {

/// Limit of the process on one resource, shared by all reactors. Any thread.
class ConnectionQuota {
public:
    explicit ConnectionQuota(std::size_t max) : max_(max) {}

    [[nodiscard]] bool take() noexcept {
        if (used_.fetch_add(1, std::memory_order_relaxed) < max()) return true;
        give_back();
        return false;
    }
    void give_back() noexcept { used_.fetch_sub(1, std::memory_order_relaxed); }
    /// Takes a unit even beyond the limit.
    void take_anyway() noexcept { used_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] std::size_t max() const noexcept { return max_.load(std::memory_order_relaxed); }
    /// Sets the limit. Below the present use, holders keep what they have, and take() fails until there is room.
    void set_max(std::size_t max) noexcept { max_.store(max, std::memory_order_relaxed); }

private:
    std::atomic<std::size_t> max_;
    std::atomic<std::size_t> used_{0};
};

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

/// Records which counts include a connection. Admission::give_back() reduces them.
struct AdmissionGuard {
    bool peer = false;    ///< the count of its address
    bool prefix = false;  ///< the count of its prefix
};

/// Decides which connections may use a slot: the limits that all reactors share. Owns the counts. Any thread.
class Admission {
public:
    explicit Admission(std::size_t max_connections) : quota_(max_connections) {}

    /// Sets the limits of a new configuration. Living connections stay; those not counted so far stay uncounted.
    void set(const LimitsConfig& limits, std::size_t max_connections);
    /// Takes a slot and a share of the peer's limits. Returns the limit that refuses the connection, or nullopt.
    [[nodiscard]] std::optional<RefusedBy> take(const IpAddress& peer, AdmissionGuard& guard);
    /// Takes the two parts of take() separately: a slot, and a share of the peer's limits. A refused share leaves the
    /// slot taken.
    [[nodiscard]] std::optional<RefusedBy> take_place();
    [[nodiscard]] std::optional<RefusedBy> take_share(const IpAddress& peer, AdmissionGuard& guard);
    void give_back(const IpAddress& peer, AdmissionGuard guard);
    /// Counts a connection of an earlier process, whatever the limits. `order`: its position in the order of accepts,
    /// which goes on behind it.
    [[nodiscard]] AdmissionGuard adopt(const IpAddress& peer, std::uint32_t order);

    /// Returns the next position in the order in which all reactors accept connections. Wraps at 2^32.
    [[nodiscard]] std::uint32_t next_accept_order() noexcept {
        return accept_order_.fetch_add(1, std::memory_order_relaxed);
    }

    [[nodiscard]] ConnectionQuota& quota() { return quota_; }
    [[nodiscard]] const ConnectionQuota& quota() const { return quota_; }
    [[nodiscard]] ConnectionQuota& handshakes() { return handshakes_; }
    [[nodiscard]] RateLimiter& bucket() { return bucket_; }
    [[nodiscard]] BufferBudget& buffers() { return buffers_; }
    [[nodiscard]] const BufferBudget& buffers() const { return buffers_; }
    /// Returns the bytes by source: the part of `buffers().used()` outside idle TLS sessions.
    [[nodiscard]] SourceBytes& sources() { return sources_; }
    [[nodiscard]] const SourceBytes& sources() const { return sources_; }
    /// Returns false if idle TLS sessions alone leave no room in the budget for another session. Ending other
    /// connections would not help then, and no idle session ends for a new one.
    [[nodiscard]] bool has_room_for_session() const noexcept;

    void add_reactor() noexcept { reactors_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] unsigned reactors() const noexcept { return reactors_.load(std::memory_order_relaxed); }

private:
    ConnectionQuota quota_;
    ConnectionQuota handshakes_{0};  // under way
    RateLimiter bucket_;
    BufferBudget buffers_;
    SourceBytes sources_;
    std::atomic<unsigned> reactors_{0};
    std::atomic<std::uint32_t> accept_order_{0};
    std::atomic<std::size_t> per_peer_{0};    // 0: no limit
    std::atomic<std::size_t> per_prefix_{0};  // 0: no limit
    PeerCounts peers_{subscriber_width};
    // Typical sites of one operator have a /24 or a /48.
    PeerCounts prefixes_{{.v4 = 24, .v6 = 48}};
};

}  // namespace holdfast
