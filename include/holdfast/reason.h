#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// Why a connection ended. The enumerator, the metric label and the JSON value are the same word.
/// The list grows only by a reason that a test produces: see docs/CONTRIBUTING.md, "Add a reason".
enum class CloseReason : std::uint8_t {
    peer_closed,           ///< the peer sent FIN (RFC 9293, 3.6)
    peer_reset,            ///< the peer sent RST (RFC 9293, 3.5.2)
    keepalive_expired,     ///< idle, and the kernel's keep-alive probes went unanswered (RFC 9293, 3.8.4)
    retransmit_expired,    ///< data stayed unacknowledged (RFC 5482; tcp(7), TCP_USER_TIMEOUT)
    window_stalled,        ///< the peer answers but reads nothing: zero window (RFC 9293, 3.8.6.1)
    unreachable,           ///< the kernel reported a route or host error (ICMP, RFC 1122, 4.2.3.9)
    read_idle,             ///< no complete item within `read_idle`
    item_deadline,         ///< an item was not completed within `item_deadline`
    kicked,                ///< an operator or the embedding program closed it
    application,           ///< the embedding program closed it for a reason of its own: see CloseOrder::code
    superseded,            ///< a newer connection of the same device replaced it
    unauthenticated,       ///< it did not authenticate in time
    item_too_large,        ///< an item exceeded `item.max_bytes`
    too_many_bad_items,    ///< `max_bad_items` bad items in a row
    tls_failed,            ///< the TLS handshake or the session failed
    proxy_header_invalid,  ///< its proxy sent no valid PROXY header
    out_of_memory,         ///< the process or the kernel had no memory for it
    shed,                  ///< buffer memory ran out, and its source held most of it
    drained,               ///< a new configuration removed its listener, or an operator drained it
    shutdown,              ///< the gateway stopped
    gateway_lost,          ///< its gateway vanished from the fleet; reported by another one
    gateway_crashed,       ///< the gateway's process ended, and what belonged to the connection with it
    internal_error,        ///< an unexpected error: a defect to report
};

/// Side that caused the end.
enum class ReasonKind : std::uint8_t { peer, network, policy, protocol, resource, local };

inline constexpr std::size_t close_reason_count = static_cast<std::size_t>(CloseReason::internal_error) + 1;

/// All reasons in the order of the enumeration, for tables and metrics.
extern const std::array<CloseReason, close_reason_count> all_close_reasons;

/// Returns the reason's word, e.g. "keepalive_expired", or "unknown" for a number without an enumerator. Any thread.
[[nodiscard]] std::string_view to_string(CloseReason reason) noexcept;
[[nodiscard]] std::string_view to_string(ReasonKind kind) noexcept;

/// Returns `local` for a number without an enumerator.
[[nodiscard]] ReasonKind kind_of(CloseReason reason) noexcept;

/// Returns the reason with exactly this word, or nullopt.
[[nodiscard]] std::optional<CloseReason> parse_close_reason(std::string_view word) noexcept;

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
