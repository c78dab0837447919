#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "options/daemon_config.h"

namespace holdfast {

/// Limits repeated log lines, so that a fault that occurs ten thousand times a second does not fill the disk. Passes
/// five lines a second of each cause, and counts the others for a report every ten seconds. Pure: the caller passes the
/// time. Used by one thread.
class LogLimiter {
public:
    static constexpr unsigned lines_per_second = 5;
    static constexpr std::chrono::seconds report_every{10};
    /// Maximum number of causes. Further ones share one entry, so that variable causes cannot fill memory.
    static constexpr std::size_t max_causes = 256;

    /// The suppressed lines of one cause.
    struct Held {
        std::string cause;
        LogLevel level{};
        std::uint64_t count = 0;
        std::chrono::seconds over{};  ///< time between the first and the last, rounded up
    };

    /// Returns true if this line may be written, and counts it otherwise.
    [[nodiscard]] bool pass(const std::string& cause, LogLevel level, SteadyTime now);
    /// Returns the due reports and forgets their lines. `all` includes reports that are not due yet.
    [[nodiscard]] std::vector<Held> take_due(SteadyTime now, bool all = false);

private:
    struct State {
        SteadyTime second;  ///< second in which `passed` is counted
        unsigned passed = 0;
        SteadyTime held_since;
        std::uint64_t held = 0;
        LogLevel level{};  ///< most severe level of the suppressed lines
    };
    [[nodiscard]] State& state_of(const std::string& cause, SteadyTime now);

    std::unordered_map<std::string, State> causes_;
};

/// The daemon's log on standard error, by spdlog. Any thread. LogLimiter passes at most five lines a second of one
/// cause, and the destructor reports the suppressed lines. Values are escaped because devices can choose them. A line
/// is "2026-11-22T08:00:00.123Z info listening listener=devices address=127.0.0.1:7000", or the same as a JSON object.
class Log {
public:
    using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    explicit Log(const LogConfig& config);
    /// Uses another clock, which must outlive the log.
    Log(const LogConfig& config, const Clock& clock);
    /// Passes each line to `write`, on any thread, instead of standard error.
    Log(const LogConfig& config, std::function<void(std::string_view line)> write);
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
    const std::function<void(std::string_view)> write_;  // empty: standard error
    std::mutex mutex_;
    LogLimiter limiter_;  // guarded by mutex_
};

}  // namespace holdfast
