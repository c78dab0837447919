#pragma once

#include "conn/connection.h"

namespace holdfast {

/// Whether one connection is probed ahead of the kernel: at most once between two passes of the asking ring, which come
/// once in the round of the connection's own plan.

/// Notes that the ring passes. Returns true if the ring, which probes herds only, probes the connection now: it had no
/// traffic, and no probe as a canary, for a whole round. The answer to a probe is traffic, so a quiet connection is
/// probed every second round.
[[nodiscard]] inline bool pass_asking_ring(Connection& connection, bool in_herd) {
    const bool ask = in_herd && connection.quiet && !connection.asked_in_round;
    connection.quiet = !ask;
    connection.asked_in_round = ask;
    return ask;
}

/// Notes that the connection was drawn as a canary. Returns true if it may be probed: it was not in this round.
[[nodiscard]] inline bool take_as_canary(Connection& connection) {
    if (connection.asked_in_round) return false;
    connection.asked_in_round = true;
    return true;
}

}  // namespace holdfast
