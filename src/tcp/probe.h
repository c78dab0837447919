#pragma once

#include <chrono>

#include <holdfast/liveness.h>

namespace holdfast {

/// Minimum spacing of keep-alive probes: a receiver answers at most one per interval (net.ipv4.tcp_invalid_ratelimit).
inline constexpr std::chrono::milliseconds probe_spacing{500};
/// A peer that was active more recently counts as alive as of then; the kernel cannot be made to probe it.
inline constexpr std::chrono::milliseconds probe_not_needed_within{1'000};

/// Makes the kernel send a keep-alive probe now, on a socket that was silent for 1 s or more. Lowering TCP_KEEPIDLE
/// below the silence makes the timer due (net/ipv4/tcp.c, tcp_sock_set_keepidle_locked). The probe leaves within a
/// jiffy, so the planned value must not be restored earlier. With unacknowledged data the kernel retransmits instead of
/// probing.
void force_probe(int fd) noexcept;
/// Sets TCP_KEEPIDLE, which moves the kernel's next probe to that much silence, or to now if the silence is longer.
void set_keepidle(int fd, std::chrono::seconds idle) noexcept;

/// Returns the TCP_KEEPIDLE that ends a forced probe after `silence`, so that the kernel's next probe and verdict
/// follow the plan. The value is the planned one or, past it, the silence at the plan's next probe. Restoring the
/// planned value itself would make the kernel probe at once and count its intervals from there.
[[nodiscard]] std::chrono::seconds keepidle_after_probe(const LivenessPlan& plan,
                                                        std::chrono::milliseconds silence) noexcept;

/// Returns true if a probe that is forced after `silence` and ends within probe_ends_within cannot advance the kernel's
/// verdict. Past TCP_USER_TIMEOUT, each due probe is a verdict.
[[nodiscard]] bool may_force_probe(const LivenessPlan& plan, std::chrono::milliseconds silence) noexcept;
inline constexpr std::chrono::milliseconds probe_ends_within{1'000};

}  // namespace holdfast
