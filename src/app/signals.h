#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/unique_fd.h"

namespace holdfast {

/// The daemon's signals and its own wake-up, waited for in one place. Make it before any other thread: it blocks the
/// signals for all of them (signalfd(2)); SIGPIPE is ignored.
class Signals {
public:
    enum class Event : std::uint8_t { terminate, hangup, woken };

    /// Throws std::system_error.
    Signals();

    /// Waits up to `patience`, or until something comes.
    [[nodiscard]] std::optional<Event> wait(std::chrono::milliseconds patience);

    /// Any thread: wait() returns `woken`.
    void wake();

private:
    UniqueFd signals_;
    UniqueFd wake_;
};

}  // namespace holdfast
