#pragma once

#include <chrono>

#include <holdfast/liveness.h>

namespace holdfast {

/// A receiver answers at most one keep-alive probe in so long (net.ipv4.tcp_invalid_ratelimit): asking more often asks
/// nobody.
inline constexpr std::chrono::milliseconds probe_spacing{500};
/// Heard from more recently than this: alive, as of then, and the kernel could not be made to ask anyway.
inline constexpr std::chrono::milliseconds probe_not_needed_within{1'000};

/// Makes the kernel send a keep-alive probe now, on a socket that has been silent for 1 s or more: lowering
/// TCP_KEEPIDLE below the silence makes its timer due (net/ipv4/tcp.c, tcp_sock_set_keepidle_locked). It goes out
/// within a jiffy, so the planned value must not be put back before. With data unacknowledged the kernel sends no
/// probe; its retransmission asks instead.
void force_probe(int fd) noexcept;
/// Sets TCP_KEEPIDLE, which moves the kernel's next probe to that much silence; now, if the silence is longer.
void set_keepidle(int fd, std::chrono::seconds idle) noexcept;

/// Returns the TCP_KEEPIDLE that ends a forced probe after `silence`, so that the kernel's next probe, and with it its
/// verdict, comes when the plan says: the planned value, or, once that is over, the silence at the plan's next probe.
/// The planned value itself would then make the kernel probe at once and count its intervals from there.
[[nodiscard]] std::chrono::seconds keepidle_after_probe(const LivenessPlan& plan,
                                                        std::chrono::milliseconds silence) noexcept;

/// Returns true if a probe forced after `silence`, and ended within probe_ends_within, cannot bring the kernel's
/// verdict forward: past TCP_USER_TIMEOUT every probe that is due is one.
[[nodiscard]] bool may_force_probe(const LivenessPlan& plan, std::chrono::milliseconds silence) noexcept;
inline constexpr std::chrono::milliseconds probe_ends_within{1'000};

}  // namespace holdfast
