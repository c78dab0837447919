#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "app/log.h"
#include "app/notify.h"
#include "base/attended_time.h"
#include "base/clock.h"

namespace holdfast {

/// What the daemon tells its service manager as time goes by: that it lives, as long as every reactor turns, and a
/// line of status. Says in the log when a reactor does not turn. The main thread's; look() never waits.
class Supervision {
public:
    struct Options {
        std::optional<std::chrono::microseconds> watchdog;   ///< the manager's limit; nothing: it does not watch
        std::function<std::chrono::milliseconds()> silence;  ///< of the reactor that has been silent longest
        std::function<std::string()> status;                 ///< a line for people
    };
    /// A reactor that is silent for so long is told of, whether or not anybody watches.
    static constexpr std::chrono::seconds long_silence{10};
    static constexpr std::chrono::seconds status_every{10};

    Supervision(const Notifier& notifier, Log& log, Options options, const Clock& clock);

    /// How long the next look() may be away.
    [[nodiscard]] std::chrono::milliseconds patience() const;
    void look();

private:
    [[nodiscard]] std::chrono::milliseconds attended_silence();
    void judge_reactors();
    void ping(bool turning);
    void tell_status();

    const Notifier& notifier_;
    Log& log_;
    const Options options_;
    const Clock& clock_;
    const std::chrono::milliseconds limit_;  ///< of silence
    AbsenceDetector absences_;               // of the thread that looks: the process was stopped
    AttendedTime attended_;
    bool hangs_ = false;
    std::optional<SteadyTime> pinged_;
    SteadyTime told_;
    std::string last_status_;
};

}  // namespace holdfast
