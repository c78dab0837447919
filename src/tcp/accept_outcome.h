#pragma once

#include <cstdint>

namespace holdfast {

/// What to do after accept4 failed.
enum class AcceptOutcome : std::uint8_t {
    drained,    ///< nothing is waiting: return to the poller
    try_again,  ///< that one connection is gone (or a signal came): take the next
    pause,      ///< out of descriptors or memory: stop accepting for a while, or the loop would spin
    defect,     ///< the listening socket itself is broken
};

/// accept(2): "Linux accept() passes already-pending network errors on the new socket as an error code from accept()".
/// Pure; any thread.
[[nodiscard]] AcceptOutcome judge_accept(int error) noexcept;

}  // namespace holdfast
