#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <holdfast/result.h>

#include "base/clock.h"
#include "base/unique_fd.h"

namespace holdfast {

/// Reports the daemon's state to its service manager by the protocol of sd_notify(3): datagrams of VARIABLE=value
/// lines. Never blocks: a manager that does not read misses a message. Without a socket it sends nothing. Any thread.
class Notifier {
public:
    /// Makes a notifier that sends nothing.
    Notifier() = default;
    /// Connects to the socket that NOTIFY_SOCKET names: a path, or '@' and an abstract name. With an empty text, the
    /// notifier sends nothing.
    [[nodiscard]] static Result<Notifier> to(const std::string& socket);

    /// Sends to the other end of a socket pair, whose descriptor stays the caller's. An error: no descriptor is left.
    [[nodiscard]] static Result<Notifier> over(int socket);

    [[nodiscard]] bool enabled() const { return fd_.valid(); }

    // These send a state. They return false if it could not be sent, and true if there is no manager.
    bool ready(std::string_view status) const;
    bool waiting(std::string_view status) const;  ///< ready for the manager, but not serving yet: see waits()
    bool reloading(SteadyTime now) const;
    bool stopping(std::chrono::milliseconds at_most, std::string_view status) const;
    bool status(std::string_view text) const;
    bool alive() const;
    /// Passes on a message of a worker.
    bool forward(const std::string& message) const { return send(message); }
    /// Returns true for a message of waiting().
    [[nodiscard]] static bool waits(std::string_view message);

private:
    [[nodiscard]] bool send(const std::string& message) const;

    UniqueFd fd_;  // connected
};

/// Returns the longest time between two alive messages: WATCHDOG_USEC, if WATCHDOG_PID is this process or not set
/// (sd_watchdog_enabled(3)). Returns nullopt if the manager sets no watchdog, or a text that is no number.
[[nodiscard]] std::optional<std::chrono::microseconds> watchdog_timeout(const char* usec, const char* pid);

}  // namespace holdfast
