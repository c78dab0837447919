#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include <holdfast/status.h>

#include "base/attended_time.h"
#include "base/clock.h"
#include "daemon/log.h"
#include "daemon/notify.h"

namespace holdfast {

/// Reports to the service manager that the daemon is alive, as long as every reactor turns, and a status line. Logs a
/// reactor that does not turn. Used by the main thread; check() never blocks.
class Supervision {
public:
    struct Options {
        std::optional<std::chrono::microseconds> watchdog;   ///< timeout of the manager; nullopt: no watchdog
        std::function<std::chrono::milliseconds()> silence;  ///< longest time since the last turn of a reactor
        std::function<std::string()> status;                 ///< status line for the operator
    };
    /// A reactor that is silent for this long is logged, with or without a watchdog.
    static constexpr std::chrono::seconds long_silence{10};
    static constexpr std::chrono::seconds status_every{10};

    Supervision(const Notifier& notifier, Log& log, Options options, const Clock& clock);

    /// Returns the longest time until the next check().
    [[nodiscard]] std::chrono::milliseconds timeout() const;
    void check();

private:
    [[nodiscard]] std::chrono::milliseconds attended_silence();
    void check_reactors();
    void ping(bool turning);
    void notify_status();

    const Notifier& notifier_;
    Log& log_;
    const Options options_;
    const Clock& clock_;
    const std::chrono::milliseconds limit_;  ///< on silence
    AbsenceDetector absences_;               // detects stops of the process, on the thread of check()
    AttendedTime attended_;
    bool hangs_ = false;
    std::optional<SteadyTime> pinged_;
    SteadyTime reported_;
    std::string last_status_;
};

/// Returns "12,345 connections on 2 listeners". Pure.
[[nodiscard]] std::string status_text(const ServerStatus& status);

}  // namespace holdfast
