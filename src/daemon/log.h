#pragma once

#include <atomic>
#include <initializer_list>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "daemon/log_limiter.h"
#include "options/daemon_config.h"

namespace holdfast {

/// The daemon's log on standard error, by spdlog. Any thread. LogLimiter passes at most five lines a second of one
/// cause, and the destructor reports the suppressed lines. Values are escaped because devices can choose them. A line
/// is "2026-11-22T08:00:00.123Z info listening listener=devices address=127.0.0.1:7000", or the same as a JSON object.
class Log {
public:
    using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    explicit Log(const LogConfig& config);
    /// Uses another clock, which must outlive the log.
    Log(const LogConfig& config, const Clock& clock);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    ~Log() { report_held(true); }

    /// Changes the settings from the next line on.
    void change(const LogConfig& config);

    /// Writes a line. `what` and the fields `listener` and `alarm` form the cause. Variable parts belong in other
    /// fields.
    void debug(std::string_view what, Fields fields = {}) { write(LogLevel::debug, what, fields); }
    void info(std::string_view what, Fields fields = {}) { write(LogLevel::info, what, fields); }
    void warn(std::string_view what, Fields fields = {}) { write(LogLevel::warn, what, fields); }
    void error(std::string_view what, Fields fields = {}) { write(LogLevel::error, what, fields); }

    /// Reports suppressed lines ("17 more like this in the last 10 s") once that is due. Call it about once a second.
    void tick() { report_held(false); }

private:
    void write(LogLevel level, std::string_view what, Fields fields);
    void report_held(bool all);
    void put(LogLevel level, std::string_view what, Fields fields) const;

    const SystemClock system_clock_;
    const Clock& clock_;
    std::atomic<LogLevel> level_;
    std::atomic<LogFormat> format_;
    std::mutex mutex_;
    LogLimiter limiter_;  // guarded by mutex_
};

}  // namespace holdfast
