#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace holdfast {

/// Tells the service manager that started the daemon how it is, by the protocol of sd_notify(3): a datagram of
/// VARIABLE=value lines each. Never waits: a manager that does not read misses a message. Without a socket nothing is
/// sent. Any thread.
class Notifier {
public:
    /// Nobody is told.
    Notifier() = default;
    /// `socket` is what NOTIFY_SOCKET says: a path, or '@' and an abstract name; empty: nobody is told.
    [[nodiscard]] static Result<Notifier> to(const std::string& socket);

    [[nodiscard]] bool enabled() const { return fd_.valid(); }

    // False if it could not be sent; true if nobody is to be told.
    bool ready(std::string_view status) const;
    bool reloading(SteadyTime now) const;
    bool stopping(std::chrono::milliseconds at_most, std::string_view status) const;
    bool status(std::string_view text) const;
    bool alive() const;

private:
    [[nodiscard]] bool send(const std::string& message) const;

    UniqueFd fd_;  // connected
};

/// How often the manager wants to hear that the daemon lives: WATCHDOG_USEC, if WATCHDOG_PID is this process or not
/// set (sd_watchdog_enabled(3)). Nothing where it does not watch, or says what is no number.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_timeout(const char* usec, const char* pid);

}  // namespace holdfast
