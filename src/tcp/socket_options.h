#pragma once

#include <chrono>
#include <optional>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Sets the plan's keep-alive options, TCP_USER_TIMEOUT, TCP_NODELAY and, where the kernel has it, TCP_RTO_MAX_MS. On a
/// listening socket, accepted sockets inherit them (net/ipv4/tcp.c), so that no connection costs a setsockopt of its
/// own.
[[nodiscard]] std::optional<Error> apply_plan(int fd, const LivenessPlan& plan);

/// The plan with the kernel's own numbers in place of idle, interval, count, user_timeout and rto_max, which is 0 if
/// the kernel has no TCP_RTO_MAX_MS.
[[nodiscard]] Result<LivenessPlan> read_back_plan(int fd, const LivenessPlan& plan);

/// Where a living connection's options differ from its plan's for the moment.
struct PlanExceptions {
    bool keep_idle = false;                                 ///< TCP_KEEPIDLE is lowered to force a probe: leave it
    std::optional<std::chrono::milliseconds> user_timeout;  ///< in place of the plan's
    bool rto_uncapped = false;                              ///< TCP_RTO_MAX_MS has the kernel's own default
};
/// Gives a connection's socket another plan; false if the kernel does not say the same afterwards. TCP_KEEPIDLE starts
/// its timer anew (net/ipv4/tcp.c, tcp_sock_set_keepidle_locked), so it comes last.
[[nodiscard]] bool change_plan(int fd, const LivenessPlan& plan, const PlanExceptions& exceptions = {}) noexcept;

/// The length of a listening socket's queue, anew; false if the kernel refuses.
[[nodiscard]] bool set_backlog(int fd, int backlog) noexcept;

/// Accepts a connection from itself on loopback with the plan set on the listener, and compares what the accepted
/// socket says with the plan. The error names the first option that differs.
[[nodiscard]] Result<LivenessPlan> prove_inheritance(const LivenessPlan& plan);

struct ListenOptions {
    Endpoint address;
    int backlog = 0;
};

/// A non-blocking listening socket with SO_REUSEPORT, so that each reactor has its own. An IPv6 wildcard takes IPv4
/// too.
[[nodiscard]] Result<UniqueFd> listen_on(const ListenOptions& options, const LivenessPlan& plan);

/// SO_REUSEPORT would let a second gateway of the same user share the port in silence: ask without it first.
[[nodiscard]] std::optional<Error> refuse_if_taken(const Endpoint& address);

[[nodiscard]] Result<Endpoint> local_endpoint(int fd);

/// close(2) then sends RST and frees the kernel's memory at once, where nobody is left to take an orderly end.
void discard_on_close(int fd) noexcept;

/// The errno that ended a socket, or else the latest that ICMP told of its path since the last acknowledgement
/// (socket(7), SO_ERROR; net/core/sock.c, sk_err_soft); 0 if there is none. It is given out a single time.
[[nodiscard]] int take_error(int fd) noexcept;

/// Returns how many bytes have arrived on a connection and were not read (tcp(7), SIOCINQ); also after its end.
[[nodiscard]] std::size_t unread_bytes(int fd) noexcept;

void set_user_timeout(int fd, std::chrono::milliseconds timeout) noexcept;

/// Sets the longest pause between retransmissions; 0: the kernel's own default. Does nothing before Linux 6.15.
void set_rto_max(int fd, std::chrono::seconds longest) noexcept;

}  // namespace holdfast
