#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include <holdfast/status.h>

#include "api/status_parts.h"
#include "config/load.h"
#include "daemon/admin_endpoints.h"
#include "daemon/log.h"

namespace holdfast {

/// Returns the library's error with the command's own ways in its remedy.
[[nodiscard]] Error in_command_words(Error error);

/// Reads the configuration again, with the flags of the start, and applies it. Checks and opens everything first, and
/// changes nothing on an error. Logs the outcome of each difference. Any thread; concurrent calls run one after the
/// other.
class Reloader {
public:
    /// The parts of the running gateway that a reload can change.
    struct Parts {
        std::function<Result<ApplyReport>(const DaemonConfig&)> server;
        /// Opens the sink that `sink` names, which has the running type, and changes nothing yet. Returns the function
        /// that applies it.
        std::function<Result<std::function<void()>>(const SinkConfig& sink)> sink;
        std::function<void()> reopen_sink;  ///< opens the current file again
        std::function<void(const AlarmConfig&)> alarms;
        /// Reads the files with secrets of [admin] again.
        std::function<Result<AdminEndpoints::Fresh>()> admin;
        std::function<void()> done;  ///< called after a change
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
    DaemonConfig running_;  // guarded by mutex_: the current configuration; the server's part as last applied
    const std::optional<std::string> file_;
    const Overrides overrides_;
    Log& log_;
    const Parts parts_;
    ReloadMeter meter_;
};

}  // namespace holdfast
