#pragma once

#include <chrono>
#include <optional>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Returns the code of a failed call's errno. Pure.
[[nodiscard]] ErrorCode code_of_errno(int error) noexcept;

/// Sets the plan's keep-alive options, TCP_USER_TIMEOUT, TCP_NODELAY and, if the kernel supports it, TCP_RTO_MAX_MS.
/// Accepted sockets inherit them from a listening socket (net/ipv4/tcp.c), which saves a setsockopt per connection.
[[nodiscard]] std::optional<Error> apply_plan(int fd, const LivenessPlan& plan);

/// Returns the plan with the kernel's values of idle, interval, count, user_timeout and rto_max. rto_max is 0 if the
/// kernel has no TCP_RTO_MAX_MS.
[[nodiscard]] Result<LivenessPlan> read_back_plan(int fd, const LivenessPlan& plan);

/// Temporary differences of a living connection's options from its plan.
struct PlanExceptions {
    bool keep_idle = false;                                 ///< TCP_KEEPIDLE is lowered to force a probe: leave it
    std::optional<std::chrono::milliseconds> user_timeout;  ///< replaces the plan's value
    bool rto_uncapped = false;                              ///< TCP_RTO_MAX_MS has the kernel's default
};
/// Applies another plan to a connection's socket. Returns false if the kernel reports other values afterwards.
/// TCP_KEEPIDLE is set last, since it restarts its timer (net/ipv4/tcp.c, tcp_sock_set_keepidle_locked).
[[nodiscard]] bool change_plan(int fd, const LivenessPlan& plan, const PlanExceptions& exceptions = {}) noexcept;

/// Changes the length of a listening socket's accept queue. Returns false if the kernel refuses.
[[nodiscard]] bool set_backlog(int fd, int backlog) noexcept;

/// Accepts a connection from this process on loopback with the plan set on the listener, and compares the accepted
/// socket with the plan. The error names the first option that differs.
[[nodiscard]] Result<LivenessPlan> prove_inheritance(const LivenessPlan& plan);

struct ListenOptions {
    Endpoint address;
    int backlog = 0;
};

/// Returns a duplicate of a listening TCP socket that the program has, non-blocking and with the plan's options. The
/// error says what it is not.
[[nodiscard]] Result<UniqueFd> duplicate_listener(int descriptor);

/// Returns a non-blocking listening socket with SO_REUSEPORT, so that each reactor has its own. An IPv6 wildcard
/// accepts IPv4, too.
[[nodiscard]] Result<UniqueFd> listen_on(const ListenOptions& options, const LivenessPlan& plan);

/// Returns an error if another process listens on `address`. SO_REUSEPORT would silently share the port with a second
/// gateway of the same user, so this binds without it first.
[[nodiscard]] std::optional<Error> refuse_if_taken(const Endpoint& address);

[[nodiscard]] Result<Endpoint> local_endpoint(int fd);

/// Makes close(2) send RST and free the kernel's memory at once, where an orderly end would not be received.
void discard_on_close(int fd) noexcept;

/// Returns and clears the errno that ended a socket, or the latest ICMP error of its path since the last
/// acknowledgement (socket(7), SO_ERROR; net/core/sock.c, sk_err_soft). Returns 0 if there is none.
[[nodiscard]] int take_error(int fd) noexcept;

/// Returns the number of bytes that arrived and were not read (tcp(7), SIOCINQ). Works after the connection's end, too.
[[nodiscard]] std::size_t unread_bytes(int fd) noexcept;

/// Returns whether TCP_USER_TIMEOUT of the socket is `timeout`.
[[nodiscard]] bool has_user_timeout(int fd, std::chrono::milliseconds timeout) noexcept;
/// Returns whether TCP_KEEPIDLE of the socket is `idle`.
[[nodiscard]] bool has_keepidle(int fd, std::chrono::seconds idle) noexcept;
void set_user_timeout(int fd, std::chrono::milliseconds timeout) noexcept;

/// Sets the longest interval between retransmissions; 0 restores the kernel's default. Does nothing before Linux 6.15.
void set_rto_max(int fd, std::chrono::seconds longest) noexcept;

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
