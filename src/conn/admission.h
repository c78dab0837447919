#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/server.h>

#include "conn/accept_bucket.h"
#include "conn/buffer_budget.h"
#include "conn/peer_counts.h"
#include "conn/quota.h"
#include "conn/source_bytes.h"

namespace holdfast {

/// Who may come in: the limits on connections, shared by all reactors. Owns the counts; any thread.
class Admission {
public:
    explicit Admission(std::size_t max_connections) : quota_(max_connections) {}

    /// What a connection has taken, and gives back.
    struct Pass {
        bool peer = false;    ///< it is counted for its address
        bool prefix = false;  ///< and for its prefix
    };

    /// Of a new configuration. Connections that are there stay, and those that were not counted are not.
    void set(const LimitsConfig& limits, std::size_t max_connections);
    /// The limit that turns it away, or nothing.
    [[nodiscard]] std::optional<RefusedBy> take(const IpAddress& peer, Pass& pass);
    /// The two parts of take(): a place at all, and a share of what the peer may have; the place is kept if it has
    /// none.
    [[nodiscard]] std::optional<RefusedBy> take_place();
    [[nodiscard]] std::optional<RefusedBy> take_share(const IpAddress& peer, Pass& pass);
    void give_back(const IpAddress& peer, Pass pass);

    /// Returns the next number of the order in which all reactors accept connections; wraps.
    [[nodiscard]] std::uint32_t next_accept_order() noexcept {
        return accept_order_.fetch_add(1, std::memory_order_relaxed);
    }

    [[nodiscard]] ConnectionQuota& quota() { return quota_; }
    [[nodiscard]] const ConnectionQuota& quota() const { return quota_; }
    [[nodiscard]] ConnectionQuota& handshakes() { return handshakes_; }
    [[nodiscard]] AcceptBucket& bucket() { return bucket_; }
    [[nodiscard]] BufferBudget& buffers() { return buffers_; }
    [[nodiscard]] const BufferBudget& buffers() const { return buffers_; }
    /// Bytes by source: the part of `buffers().used()` that no idle TLS session holds.
    [[nodiscard]] SourceBytes& sources() { return sources_; }
    [[nodiscard]] const SourceBytes& sources() const { return sources_; }
    /// Returns false if idle TLS sessions alone leave no room for another in the budget: ending any other connection
    /// would not help, and none of theirs ends for a newcomer.
    [[nodiscard]] bool has_room_for_session() const noexcept;

    void add_reactor() noexcept { reactors_.fetch_add(1, std::memory_order_relaxed); }
    [[nodiscard]] unsigned reactors() const noexcept { return reactors_.load(std::memory_order_relaxed); }

private:
    ConnectionQuota quota_;
    ConnectionQuota handshakes_{0};  // under way
    AcceptBucket bucket_;
    BufferBudget buffers_;
    SourceBytes sources_;
    std::atomic<unsigned> reactors_{0};
    std::atomic<std::uint32_t> accept_order_{0};
    std::atomic<std::size_t> per_peer_{0};    // 0: no limit
    std::atomic<std::size_t> per_prefix_{0};  // 0: no limit
    PeerCounts peers_{subscriber_width};
    // An operator's site has a /24 or a /48.
    PeerCounts prefixes_{{.v4 = 24, .v6 = 48}};
};

}  // namespace holdfast
