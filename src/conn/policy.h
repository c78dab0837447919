#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <holdfast/config.h>
#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

#include "base/clock.h"
#include "tls/tls_context.h"

namespace holdfast {

/// What holds for the connections of one listener: its liveness plan and its deadlines.
struct ListenerPolicy {
    LivenessPlan plan;
    std::optional<std::chrono::milliseconds> read_idle;
    std::optional<std::chrono::milliseconds> write_stall;  ///< nothing: the plan's bound holds for a closed window too
    std::chrono::milliseconds item_deadline{};
    std::size_t downlink_queue = 0;  ///< bytes
    ProxyProtocol proxy_protocol = ProxyProtocol::off;
    bool authenticates = false;  ///< a connection that is not `named` in time ends, and is the first to be shed
    std::vector<Prefix> trusted_proxies = {};  ///< whose PROXY headers are believed; nobody else comes in then

    std::shared_ptr<const TlsContext> tls = nullptr;  ///< of new handshakes; null: the listener is plain

    // Since when they hold, for a connection that is older: nobody is judged by a bound for the time before it.
    Tick plan_since;
    Tick deadlines_since;  ///< read_idle and item_deadline

    /// The longest silence that a connection's end may come after; behind a closed window that `write_stall` allows for
    /// longer, silence shows only when that is over. Half a second is for what reads the clocks.
    [[nodiscard]] std::chrono::milliseconds longest_silence() const {
        const bool window_may_hide_it = write_stall && *write_stall > plan.detect_within;
        return plan.detect_within + (window_may_hide_it ? *write_stall : std::chrono::milliseconds(500));
    }

    /// Its connections have something to do before they are open.
    [[nodiscard]] bool has_preamble() const { return proxy_protocol != ProxyProtocol::off || tls != nullptr; }
    [[nodiscard]] bool trusts(const IpAddress& proxy) const {
        return std::any_of(trusted_proxies.begin(), trusted_proxies.end(),
                           [&proxy](const Prefix& prefix) { return prefix.contains(proxy); });
    }

    static constexpr std::chrono::seconds name_deadline{10};  ///< from accept

    /// TCP_USER_TIMEOUT while bytes are outstanding that the sweep keeps the limit of. Its clock goes on while a slow
    /// reader takes bytes, so it must not end in any time that matters; 0 would let the kernel count retransmissions
    /// instead.
    static constexpr std::chrono::milliseconds raised_user_timeout{std::chrono::hours(20 * 24)};
};

}  // namespace holdfast
