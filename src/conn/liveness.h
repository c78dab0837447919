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
    stalled,      ///< the window is closed with bytes waiting, within its time
    silent,       ///< nothing heard for the silence limit: dead
    stalled_out,  ///< the window stayed closed for too long: close
};
struct WatchedFacts {
    TcpFacts facts;
    bool bytes_waiting = false;                                             ///< in the connection's own queue
    std::chrono::milliseconds stalled{};                                    ///< since the window was first seen closed
    std::chrono::milliseconds plan_age = std::chrono::milliseconds::max();  ///< since the plan holds for it
};
[[nodiscard]] WatchVerdict judge_watch(const WatchedFacts& view, const ListenerPolicy& policy);

}  // namespace holdfast
