#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/unique_fd.h"

namespace holdfast {

/// Blocks SIGTERM, SIGINT and SIGHUP for the calling thread and the threads that it starts. The signals stay pending
/// until a thread takes them.
void block_stop_signals() noexcept;
/// Unblocks these signals. A pending one has its default effect.
void unblock_stop_signals() noexcept;

/// Sender of the daemon's signals.
enum class SignalsFrom : std::uint8_t {
    anyone,  ///< SIGTERM, SIGINT and SIGHUP
    keeper,  ///< its own two; the others are ignored, since a terminal or a service manager sends them to both
             ///< processes
};
/// Signals of a keeper to its worker. They are queued, and so none is lost behind another sender's.
[[nodiscard]] int keeper_signal(bool hangup) noexcept;

/// Makes the kernel kill this process when `parent` ends. A change of credentials clears that (prctl(2)): call it
/// again.
void end_with(pid_t parent) noexcept;

/// The daemon's signals and its own wake-up on one wait (signalfd(2)). Signals that were pending before come first.
/// Ignores SIGPIPE. Construct it before any other thread starts.
class Signals {
public:
    enum class Event : std::uint8_t { terminate, hangup, woken };

    /// Throws std::system_error on a failure.
    explicit Signals(SignalsFrom from = SignalsFrom::anyone);

    /// Waits up to `timeout` for the next event. Returns nullopt if there is none.
    [[nodiscard]] std::optional<Event> wait(std::chrono::milliseconds timeout);

    /// Waits for `time`, or until a signal to stop arrives, and consumes that signal. Returns true if one arrived.
    [[nodiscard]] static bool take_stop(std::chrono::milliseconds time, SignalsFrom from = SignalsFrom::anyone);

    /// Makes wait() return `woken`. Any thread.
    void wake();

private:
    UniqueFd signals_;
    UniqueFd wake_;
};

}  // namespace holdfast
