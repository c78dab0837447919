#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include <holdfast/server.h>

#include "admin/reload_result.h"
#include "app/admin_doors.h"
#include "app/log.h"
#include "config/load.h"

namespace holdfast {

/// Reads the configuration anew, with the flags of the start, and takes it over: everything is checked and opened
/// first, and with an error nothing changes. Any thread; concurrent calls take turns. Says in the log what became of
/// each difference.
class Reloader {
public:
    /// The running gateway, as far as it can change.
    struct Parts {
        std::function<Result<ApplyReport>(const DaemonConfig&)> server;
        /// Opens what `sink` names, whose type is the running one, and changes nothing yet. Returns the function that
        /// takes the sink over.
        std::function<Result<std::function<void()>>(const SinkConfig& sink)> sink;
        std::function<void()> reopen_sink;  ///< the file that runs, anew
        std::function<void(const AlarmConfig&)> alarms;
        /// The files with secrets that [admin] names, anew.
        std::function<Result<AdminDoors::Fresh>()> admin;
        std::function<void()> done;  ///< after a change
    };

    Reloader(DaemonConfig running, std::optional<std::string> file, Overrides overrides, Log& log, Parts parts)
        : running_(std::move(running)),
          file_(std::move(file)),
          overrides_(std::move(overrides)),
          log_(log),
          parts_(std::move(parts)) {}

    [[nodiscard]] ReloadResult run();

    [[nodiscard]] const ReloadMeter& meter() const { return meter_; }
    [[nodiscard]] std::chrono::milliseconds drain_time() const {
        const std::lock_guard lock(mutex_);
        return running_.server.drain_time;
    }

private:
    [[nodiscard]] ReloadResult read_and_apply();
    [[nodiscard]] ReloadResult try_to_apply();
    [[nodiscard]] ReloadResult apply(DaemonConfig wanted);
    void tell(const ReloadResult& result);

    mutable std::mutex mutex_;
    DaemonConfig running_;  // guarded by mutex_: what is in force; the server's part as it was applied last
    const std::optional<std::string> file_;
    const Overrides overrides_;
    Log& log_;
    const Parts parts_;
    ReloadMeter meter_;
};

}  // namespace holdfast
