#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/status.h>

#include "conn/buffer_budget.h"
#include "conn/peer_counts.h"
#include "conn/quota.h"
#include "conn/rate_limiter.h"
#include "conn/source_bytes.h"

namespace holdfast {

/// Decides which connections may use a slot: the limits that all reactors share. Owns the counts. Any thread.
class Admission {
public:
    explicit Admission(std::size_t max_connections) : quota_(max_connections) {}

    /// The counts that include a connection and that give_back() reduces.
    struct Pass {
        bool peer = false;    ///< the count of its address
        bool prefix = false;  ///< the count of its prefix
    };

    /// Sets the limits of a new configuration. Living connections stay; those not counted so far stay uncounted.
    void set(const LimitsConfig& limits, std::size_t max_connections);
    /// Takes a slot and a share of the peer's limits. Returns the limit that refuses the connection, or nullopt.
    [[nodiscard]] std::optional<RefusedBy> take(const IpAddress& peer, Pass& pass);
    /// Takes the two parts of take() separately: a slot, and a share of the peer's limits. A refused share leaves the
    /// slot taken.
    [[nodiscard]] std::optional<RefusedBy> take_place();
    [[nodiscard]] std::optional<RefusedBy> take_share(const IpAddress& peer, Pass& pass);
    void give_back(const IpAddress& peer, Pass pass);

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
