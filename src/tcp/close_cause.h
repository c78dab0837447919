#pragma once

#include <chrono>
#include <cstdint>

#include <holdfast/reason.h>

#include "tcp/tcp_info.h"

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

/// Names the system call that reported the end.
enum class IoPhase : std::uint8_t {
    read,      ///< recv returned 0 (error 0) or failed
    write,     ///< send failed
    register_  ///< the descriptor could not be added to epoll
};

/// Classifies an end that the kernel reported. `error` is the errno, or 0 for end of file; a socket returns it only
/// once. `facts` were read after it. `user_timeout` is the plan's and separates a fresh answer from an old one. The
/// errno alone is ETIMEDOUT for three different causes, so the evidence decides: docs/explanation/liveness.md, "The
/// evidence". Pure; any thread.
[[nodiscard]] CloseReason classify_close(int error, IoPhase phase, const TcpFacts& facts,
                                         std::chrono::milliseconds user_timeout) noexcept;

/// Classifies an end by silence as one of three reasons, whichever component found it.
[[nodiscard]] CloseReason classify_timeout(const TcpFacts& facts, std::chrono::milliseconds user_timeout) noexcept;

}  // namespace holdfast
