#pragma once

#include <atomic>
#include <initializer_list>
#include <mutex>
#include <string_view>
#include <utility>

#include "app/log_limiter.h"
#include "base/clock.h"
#include "options/daemon_config.h"

namespace holdfast {

/// The daemon's log on standard error, one line for each notable thing, by spdlog. Any thread. At most five lines a
/// second of one cause (LogLimiter); the destructor tells of what was held back.
/// Text: "2026-11-22T08:00:00.123Z info listening listener=devices address=127.0.0.1:7000"; JSON: the same as one
/// object. Values may come from devices: they are escaped.
class Log {
public:
    using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    explicit Log(const LogConfig& config);
    /// With another clock, which must outlive it.
    Log(const LogConfig& config, const Clock& clock);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    ~Log() { tell_held(true); }

    /// From the next line on.
    void change(const LogConfig& config);

    /// `what` names the cause, together with the fields `listener` and `alarm`; what varies belongs into other fields.
    void debug(std::string_view what, Fields fields = {}) { write(LogLevel::debug, what, fields); }
    void info(std::string_view what, Fields fields = {}) { write(LogLevel::info, what, fields); }
    void warn(std::string_view what, Fields fields = {}) { write(LogLevel::warn, what, fields); }
    void error(std::string_view what, Fields fields = {}) { write(LogLevel::error, what, fields); }

    /// Tells of lines held back ("17 more like this in the last 10 s") once that is due. Call it about once a second.
    void tick() { tell_held(false); }

private:
    void write(LogLevel level, std::string_view what, Fields fields);
    void tell_held(bool all);
    void put(LogLevel level, std::string_view what, Fields fields) const;

    const SystemClock system_clock_;
    const Clock& clock_;
    std::atomic<LogLevel> level_;
    std::atomic<LogFormat> format_;
    std::mutex mutex_;
    LogLimiter limiter_;  // guarded by mutex_
};

}  // namespace holdfast
