#pragma once

#include <cstdint>

namespace holdfast {

/// Classifies a failed accept4.
enum class AcceptOutcome : std::uint8_t {
    drained,    ///< the queue is empty: return to the poller
    try_again,  ///< this connection is gone, or a signal arrived: accept the next
    pause,      ///< descriptors or memory are exhausted: stop accepting for a while, or the loop would spin
    defect,     ///< the listening socket itself is broken
};

/// Classifies the errno of a failed accept4. accept(2): "Linux accept() passes already-pending network errors on the
/// new socket as an error code from accept()". Pure; any thread.
[[nodiscard]] AcceptOutcome classify_accept(int error) noexcept;

}  // namespace holdfast
