#pragma once

#include <optional>

#include <holdfast/reason.h>

#include "base/clock.h"
#include "conn/policy.h"
#include "tcp/tcp_info.h"

namespace holdfast {

/// What the sweep decides on, as pure functions of what it saw. Any thread; the callers are a shard's sweep and tests.

/// Deadlines that need no question to the kernel.
struct DeadlineView {
    // Time in which the gateway read the device: its own absences and pauses are left out.
    std::chrono::milliseconds since_item{};             ///< since the latest complete item
    std::optional<std::chrono::milliseconds> item_age;  ///< since the first byte of the unfinished item
    int times = 1;                                      ///< of the deadlines
};
[[nodiscard]] std::optional<CloseReason> judge_deadlines(const DeadlineView& view, const ListenerPolicy& policy);

/// How long the asking ring takes for one round, or nothing if the kernel's probes come too soon to be ahead of. Who
/// had no traffic for a round is asked, so each quiet connection is asked every second round, shortly before the kernel
/// would.
[[nodiscard]] std::optional<std::chrono::milliseconds> asking_round(const LivenessPlan& plan);

/// Whether the peer's kernel had something to answer: a keep-alive probe, or a segment sent and sent again. Behind a
/// closed window neither is so, since window probes come ever more seldom: there, silence says little.
[[nodiscard]] bool was_asked(const Evidence& evidence);

/// A connection under watch, by what TCP_INFO says of it.
enum class WatchVerdict : std::uint8_t {
    well,         ///< all acknowledged and no probe out: the watch ends
    waiting,      ///< data or a probe is out, within its time
    stalled,      ///< the peer takes no more bytes, within its time
    silent,       ///< nothing heard, or nothing acknowledged, for the silence limit: close
    stalled_out,  ///< the peer has taken no byte for too long: close
};
struct WatchedFacts {
    TcpFacts facts;
    bool bytes_waiting = false;                ///< in the connection's own queue
    std::chrono::milliseconds unprogressed{};  ///< since the peer last acknowledged a byte while some were outstanding
    std::chrono::milliseconds plan_age = std::chrono::milliseconds::max();  ///< since the plan holds for it
    std::chrono::milliseconds longest_step{};  ///< longest time between two looks that saw progress

    /// Bytes are unacknowledged or unsent.
    [[nodiscard]] bool outstanding() const { return facts.evidence.unacked_bytes > 0 || bytes_waiting; }
    /// They wait for the peer's window, which is closed or has no room for a segment.
    [[nodiscard]] bool held_up() const {
        return outstanding() && (facts.evidence.peer_window == 0 || facts.unacked_segments == 0);
    }
};
[[nodiscard]] WatchVerdict judge_watch(const WatchedFacts& view, const ListenerPolicy& policy);

/// Returns after how long the verdict may become a reason to close, if nothing is heard and acknowledged until then.
[[nodiscard]] std::chrono::milliseconds verdict_due_in(const WatchedFacts& view, const ListenerPolicy& policy);

/// Returns how long a peer may take no byte: `write_stall`, or what the plan leaves for it. Without `write_stall`, a
/// slow reader whose kernel acknowledges in steps gets twice its longest step, at most max_stall_limit.
[[nodiscard]] std::chrono::milliseconds stall_limit(const ListenerPolicy& policy,
                                                    std::chrono::milliseconds longest_step = {});
constexpr std::chrono::minutes max_stall_limit{10};

/// The kernel's own limits that would end a connection which the sweep spares, and are therefore lifted.
struct KernelRelief {
    bool user_timeout = false;  ///< its clock does not start anew when a peer behind a small window takes bytes
    bool rto_cap = false;       ///< data in flight behind a closed window ends after two capped pauses

    friend bool operator==(const KernelRelief&, const KernelRelief&) = default;
};
/// `now`: what is lifted at present; the user time-out stays so until nothing is outstanding.
[[nodiscard]] KernelRelief relief_for(const WatchedFacts& view, const KernelRelief& now, const LivenessPlan& plan);

}  // namespace holdfast
