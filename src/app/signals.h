#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/unique_fd.h"

namespace holdfast {

/// Blocks SIGTERM, SIGINT and SIGHUP for the calling thread and those that it starts: they stay pending until a
/// thread takes them.
void block_stop_signals() noexcept;
/// Ends that: a signal that waits has its usual effect.
void unblock_stop_signals() noexcept;

/// The daemon's signals and its own wake-up, waited for in one place (signalfd(2)); those that came while they were
/// blocked are the first. Make it before any other thread. SIGPIPE is ignored.
class Signals {
public:
    enum class Event : std::uint8_t { terminate, hangup, woken };

    /// Throws std::system_error.
    Signals();

    /// Waits up to `patience`, or until something comes.
    [[nodiscard]] std::optional<Event> wait(std::chrono::milliseconds patience);

    /// Waits for `time`, or until SIGTERM or SIGINT comes, and takes that signal. Returns true if one came.
    [[nodiscard]] static bool take_stop(std::chrono::milliseconds time);

    /// Any thread: wait() returns `woken`.
    void wake();

private:
    UniqueFd signals_;
    UniqueFd wake_;
};

}  // namespace holdfast
