#pragma once

#include <optional>

#include <holdfast/reason.h>

#include "base/clock.h"
#include "conn/policy.h"
#include "tcp/tcp_info.h"

namespace holdfast {

/// Decisions of the sweep, as pure functions of its observations. Any thread. Kernel files are those of Linux 6.18;
/// docs/decisions/0019 and docs/explanation/liveness.md have the measurements.

/// Times that decide deadlines without a system call.
struct DeadlineView {
    // Time in which the gateway read the device, without its own absences and pauses.
    std::chrono::milliseconds since_item{};             ///< since the latest complete item
    std::optional<std::chrono::milliseconds> item_age;  ///< since the first byte of the unfinished item
    int times = 1;                                      ///< factor of the deadlines
};
/// Returns the reason to close a connection whose device owes bytes, or nullopt. These limits are the gateway's own:
/// keep-alive proves that the peer's kernel answers (RFC 9293, 3.8.4), not that its application sends.
[[nodiscard]] std::optional<CloseReason> classify_deadlines(const DeadlineView& view, const ListenerPolicy& policy);

/// Returns the length of one round of the probe ring, or nullopt if the kernel's probes come too early to precede. The
/// ring probes a connection after a round without traffic. A quiet one is thus probed every second round, shortly
/// before the kernel would at TCP_KEEPIDLE (tcp(7); net/ipv4/tcp_timer.c, tcp_keepalive_timer).
[[nodiscard]] std::optional<std::chrono::milliseconds> probe_round(const LivenessPlan& plan);

/// Returns true if the peer's kernel owed an answer: to a keep-alive probe, or to a segment that was retransmitted at
/// least twice. The kernel probes only while no byte is outstanding (RFC 9293, 3.8.4; tcp_keepalive_timer). Behind a
/// closed window neither holds, since window probes back off (RFC 9293, 3.8.6.1), so silence means little there.
[[nodiscard]] bool was_probed(const Evidence& evidence);

/// Verdict on a connection under watch, from TCP_INFO.
enum class WatchVerdict : std::uint8_t {
    well,         ///< everything acknowledged, no probe outstanding: the watch ends
    waiting,      ///< data or a probe outstanding, within its time
    stalled,      ///< the peer accepts no more bytes, within its time
    silent,       ///< nothing received or acknowledged for the silence limit: close
    stalled_out,  ///< the peer accepted no byte for too long: close
};
struct WatchedFacts {
    TcpFacts facts;
    bool bytes_waiting = false;  ///< in the connection's own queue
    /// Time since the peer acknowledged a byte, but only the part in the present one of two states: held up, in flight.
    /// Each has its own limit: when the window opens after a long stall, the bytes have only just left.
    std::chrono::milliseconds unprogressed{};
    std::chrono::milliseconds plan_age = std::chrono::milliseconds::max();  ///< time since the plan took effect for it
    std::chrono::milliseconds longest_step{};  ///< longest time between two checks that saw progress

    /// Returns true if bytes are unacknowledged or unsent.
    [[nodiscard]] bool outstanding() const { return facts.evidence.unacked_bytes > 0 || bytes_waiting; }
    /// Returns true if bytes wait for the peer's window, which is closed or smaller than a segment. The kernel sends
    /// nothing into the latter, either (RFC 9293, 3.8.6.2.1; net/ipv4/tcp_output.c, tcp_snd_wnd_test).
    [[nodiscard]] bool held_up() const {
        return outstanding() && (facts.evidence.peer_window == 0 || facts.unacked_segments == 0);
    }
};
/// Returns the verdict. The limit on unacknowledged bytes is that of TCP_USER_TIMEOUT (RFC 5482; tcp(7)). The sweep
/// enforces the limit, since a write to a silent peer restarts the kernel's clock. The kernel counts from the
/// segment that is retransmitted (net/ipv4/tcp_timer.c, retransmits_timed_out).
[[nodiscard]] WatchVerdict classify_watch(const WatchedFacts& view, const ListenerPolicy& policy);

/// Returns the time until the verdict can become a close, if nothing is received and acknowledged until then. Its
/// limits are those of classify_watch().
[[nodiscard]] std::chrono::milliseconds verdict_due_in(const WatchedFacts& view, const ListenerPolicy& policy);

/// Returns how long a peer may accept no byte: `write_stall`, or the plan's limit. Without `write_stall`, a slow reader
/// whose kernel acknowledges in steps gets twice its longest step, at most max_stall_limit. TCP itself keeps a
/// connection whose peer answers window probes (RFC 9293, 3.8.6.1), and leaves a limit to the application (RFC 6429).
[[nodiscard]] std::chrono::milliseconds stall_limit(const ListenerPolicy& policy,
                                                    std::chrono::milliseconds longest_step = {});
constexpr std::chrono::minutes max_stall_limit{10};

/// Limits of the kernel that are lifted because they would end a connection which the sweep spares.
struct KernelRelief {
    /// The kernel's clock does not restart when a peer behind a small window accepts bytes (net/ipv4/tcp_timer.c,
    /// tcp_probe_timer; net/ipv4/tcp_input.c, tcp_ack_probe).
    bool user_timeout = false;
    /// With the cap, data in flight behind a closed window ends after two capped pauses (net/ipv4/tcp_timer.c,
    /// tcp_rtx_probe0_timed_out).
    bool rto_cap = false;

    friend bool operator==(const KernelRelief&, const KernelRelief&) = default;
};
/// Returns the limits to lift. `now`: those lifted at present. The user timeout stays lifted until nothing is
/// outstanding.
[[nodiscard]] KernelRelief relief_for(const WatchedFacts& view, const KernelRelief& now, const LivenessPlan& plan);

}  // namespace holdfast
