#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include <holdfast/result.h>
#include <holdfast/visibility.h>

namespace holdfast {
inline namespace HOLDFAST_ABI HOLDFAST_PUBLIC {

/// The longest complete outage of the path that closes no living connection, whenever it begins.
struct PlanSafeOutage {
    std::chrono::milliseconds idle{};
    std::chrono::milliseconds in_flight{};           ///< with unacknowledged data, if the kernel has TCP_RTO_MAX_MS
    std::chrono::milliseconds in_flight_uncapped{};  ///< likewise on an older kernel
    friend bool operator==(const PlanSafeOutage&, const PlanSafeOutage&) = default;
};

/// Times from the peer's last sign of life to the `closed` event; each is at most detect_within.
struct PlanWorstCase {
    std::chrono::milliseconds fin_or_reset{};  ///< FIN or RST arrives: one turn of the reactor
    std::chrono::milliseconds idle{};          ///< silent while idle
    std::chrono::milliseconds in_flight{};     ///< silent with data unacknowledged
    std::chrono::milliseconds probing{};       ///< data written while the kernel was already probing
    std::chrono::milliseconds zero_window{};   ///< alive, but its window stays zero (`write_stall` not set)
    friend bool operator==(const PlanWorstCase&, const PlanWorstCase&) = default;
};

/// Everything that follows from one number, `detect_within`: the socket options, the limits of the sweep, and the worst
/// case of each way to end. A value: can be compared, copied and printed. Sources: tcp(7), RFC 9293 3.8.4, RFC 5482,
/// Linux net/ipv4/tcp_timer.c; docs/explanation/liveness.md has the derivation.
struct LivenessPlan {
    std::chrono::milliseconds detect_within{};

    // Socket options of the listener, which each accepted socket inherits.
    std::chrono::seconds idle{};      ///< TCP_KEEPIDLE: silence before the first probe
    std::chrono::seconds interval{};  ///< TCP_KEEPINTVL: between probes
    int count = 0;                    ///< TCP_KEEPCNT: probes that leave before the verdict, even by late timers
    std::chrono::milliseconds user_timeout{};  ///< TCP_USER_TIMEOUT: replaces the count once set
    std::chrono::seconds rto_max{};  ///< TCP_RTO_MAX_MS (Linux 6.15): longest pause between retransmissions; 0: no cap

    // Deadlines of the gateway itself. A write after the peer's death restarts the kernel's clock.
    std::chrono::milliseconds sweep_period{};  ///< in which every connection is checked once
    /// The sweep closes a connection with unacknowledged data after this silence.
    std::chrono::milliseconds silence_limit{};

    int lost_probes_tolerated = 0;  ///< consecutive probes that may be lost without a false close

    using SafeOutage = PlanSafeOutage;
    SafeOutage safe_outage = {};
    std::chrono::milliseconds safe_round_trip{};  ///< a round trip up to this closes no living connection

    using WorstCase = PlanWorstCase;
    WorstCase worst_case = {};

    friend bool operator==(const LivenessPlan&, const LivenessPlan&) = default;
};

/// Scope of keep-alive: proves the device's kernel alive, or only the path to a proxy that answers in its place.
enum class LivenessOf : std::uint8_t { device, path };
[[nodiscard]] std::string_view to_string(LivenessOf liveness) noexcept;

inline constexpr std::chrono::milliseconds min_detect_within{3'000};
inline constexpr std::chrono::milliseconds max_detect_within{3'600'000};

/// Derives the plan. Pure; any thread. Rejects bounds that cannot be kept (below 3 s, above 1 h) and says why.
[[nodiscard]] Result<LivenessPlan> plan_liveness(std::chrono::milliseconds detect_within);

/// Returns the share of idle connections that `plan` closes falsely in a day. Each packet is lost with probability
/// `packet_loss` (0 to 1), each way and independently. Pure; any thread.
[[nodiscard]] double false_deaths_per_day(const LivenessPlan& plan, double packet_loss);

/// Returns the packet loss (0 to 1, each way) up to which `plan` falsely closes at most one in a million idle
/// connections a day. Pure; any thread.
[[nodiscard]] double safe_packet_loss(const LivenessPlan& plan);

/// Returns the longest outage that closes no connection under `plan`; data in flight is capped if `rto_max` is set.
[[nodiscard]] std::chrono::milliseconds safe_outage(const LivenessPlan& plan);

}  // namespace HOLDFAST_PUBLIC
}  // namespace holdfast
