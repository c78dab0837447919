#pragma once

#include "conn/connection.h"

namespace holdfast {

/// Decides whether a connection is probed ahead of the kernel: at most once between two passes of the asking ring. The
/// ring passes once in each round of the connection's own plan.

/// Records a pass of the ring. Returns true if the ring probes the connection now: in a herd, after a whole round
/// without traffic or a canary's probe. The answer to a probe is traffic, so a quiet connection is probed every second
/// round.
[[nodiscard]] inline bool pass_asking_ring(Connection& connection, bool in_herd) {
    const bool ask = in_herd && connection.quiet && !connection.asked_in_round;
    connection.quiet = !ask;
    connection.asked_in_round = ask;
    return ask;
}

/// Records that the connection was drawn as a canary. Returns true if it may be probed, as it was not in this round.
[[nodiscard]] inline bool take_as_canary(Connection& connection) {
    if (connection.asked_in_round) return false;
    connection.asked_in_round = true;
    return true;
}

}  // namespace holdfast
