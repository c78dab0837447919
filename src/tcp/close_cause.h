#pragma once

#include <chrono>

#include <holdfast/events.h>
#include <holdfast/reason.h>

namespace holdfast {

/// In which step the kernel told of the end.
enum class IoPhase : std::uint8_t {
    read,      ///< recv returned 0 (error 0) or failed
    write,     ///< send failed
    register_  ///< the descriptor could not be watched
};

/// Judges an end that the kernel reported. `error` is the errno, taken once (a socket gives it out a single time), 0
/// for end of file; `evidence` was read after it; `user_timeout` is the plan's, to tell a fresh answer from an old one.
/// The errno alone says ETIMEDOUT for three different deaths, so the evidence decides: docs/explanation/liveness.md,
/// "The evidence". Pure; any thread.
[[nodiscard]] CloseReason judge_close(int error, IoPhase phase, const Evidence& evidence,
                                      std::chrono::milliseconds user_timeout) noexcept;

/// Which of the three a death by silence is, whoever noticed it.
[[nodiscard]] CloseReason judge_timeout(const Evidence& evidence, std::chrono::milliseconds user_timeout) noexcept;

}  // namespace holdfast
