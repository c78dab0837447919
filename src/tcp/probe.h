#pragma once

#include <chrono>

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
void end_forced_probe(int fd, std::chrono::seconds planned_idle) noexcept;

}  // namespace holdfast
