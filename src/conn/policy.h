#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "conn/counters.h"
#include "conn/kept_reactor.h"
#include "tls/tls_context.h"

namespace holdfast {

/// Bytes that begin no item.
enum class Blanks : std::uint8_t {
    space,                   ///< the white space of JSON
    space_and_empty_frames,  ///< and a length of zero (Framing::length)
    none,                    ///< any byte may begin an item
};

/// Settings of one listener's connections: the liveness plan and the deadlines.
struct ListenerPolicy {
    LivenessPlan plan;
    std::optional<std::chrono::milliseconds> read_idle;
    std::optional<std::chrono::milliseconds> write_stall;  ///< nullopt: the plan's bound holds for a closed window too
    std::chrono::milliseconds item_deadline{};
    std::optional<std::chrono::milliseconds>
        half_close;                  ///< time of sending after the peer's FIN; nullopt: answers only
    std::size_t downlink_queue = 0;  ///< bytes
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    Blanks blanks = Blanks::space;
    bool authenticates = false;                ///< closes a connection that is not `named` in time, and sheds it first
    std::vector<Prefix> trusted_proxies = {};  ///< trusted senders of PROXY headers; only these may connect then

    std::shared_ptr<const TlsContext> tls = nullptr;  ///< context of new handshakes; nullptr: the listener is plain

    // Start times of the plan and the deadlines. For an older connection, no bound applies to the time before.
    Tick plan_since;
    Tick deadlines_since;  ///< read_idle and item_deadline

    /// Returns the longest silence before a connection is closed. If `write_stall` is longer than detect_within, a
    /// closed window hides the silence until `write_stall` ends. Half a second covers the error of the clocks.
    [[nodiscard]] std::chrono::milliseconds longest_silence() const {
        const bool window_may_hide_it = write_stall && *write_stall > plan.detect_within;
        return plan.detect_within + (window_may_hide_it ? *write_stall : std::chrono::milliseconds(500));
    }

    /// Returns true if a connection needs a PROXY header or a TLS handshake before it is open.
    [[nodiscard]] bool has_preamble() const { return proxy_protocol != ProxyProtocol::off || tls != nullptr; }
    [[nodiscard]] bool trusts(const IpAddress& proxy) const {
        return std::any_of(trusted_proxies.begin(), trusted_proxies.end(),
                           [&proxy](const Prefix& prefix) { return prefix.contains(proxy); });
    }

    static constexpr std::chrono::seconds name_deadline{10};  ///< time since accept

    /// TCP_USER_TIMEOUT while the sweep keeps the limit of outstanding bytes. The kernel's clock runs on while a slow
    /// reader takes bytes, so the value exceeds any time that matters. With 0 the kernel would count retransmissions
    /// instead.
    static constexpr std::chrono::milliseconds raised_user_timeout{std::chrono::hours(20 * 24)};
};

/// Limits on one connection's input per second; the rest waits in the kernel. 0 means no limit.
struct RateLimits {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
};

/// Construction parameters of a Shard.
struct ShardOptions {
    unsigned reactor = 0;                  ///< number of its reactor
    std::uint32_t max_connections = 0;     ///< limit of this shard
    std::size_t max_unfinished = 0;        ///< limit on the bytes of a partial item
    std::vector<ListenerPolicy> policies;  ///< by listener number
    bool observed = false;                 ///< collect the observations that take_observations() returns
    bool canaries = false;                 ///< probe some connections early for these observations
    RateLimits rates = {};
    KeptShard kept = {};  ///< outlives the shard
};

/// A listener added to a running shard.
struct NewListener {
    std::uint8_t number = 0;
    ListenerPolicy policy;
    UniqueFd socket;
    std::shared_ptr<ListenerCounters> counters;
    bool inherited = false;  ///< connections wait that have not the plan's options
};

/// Changes to a listener of a running shard.
struct ListenerChange {
    std::uint8_t number = 0;
    ListenerPolicy policy;
    int backlog = 0;
    UniqueFd socket;  ///< socket of the new address; invalid if unchanged
};

}  // namespace holdfast
