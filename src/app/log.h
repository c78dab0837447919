#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

#include "config/daemon_config.h"

namespace holdfast {

/// The daemon's log on standard error, one line for each notable thing, by spdlog. Any thread.
/// Text: "2026-11-22T08:00:00.123Z info listening listener=devices address=127.0.0.1:7000"; JSON: the same as one
/// object. Values may come from devices: they are escaped.
class Log {
public:
    using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    explicit Log(const LogConfig& config);

    void info(std::string_view what, Fields fields = {}) { write(LogLevel::info, what, fields); }
    void warn(std::string_view what, Fields fields = {}) { write(LogLevel::warn, what, fields); }
    void error(std::string_view what, Fields fields = {}) { write(LogLevel::error, what, fields); }

private:
    void write(LogLevel level, std::string_view what, Fields fields);

    LogLevel level_;
    LogFormat format_;
};

}  // namespace holdfast
