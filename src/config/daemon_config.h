#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <holdfast/config.h>

namespace holdfast {

/// Where events go. The enumerators are in the order of their words in the option table.
enum class SinkType : std::uint8_t {
    stdout_,  ///< one line each on standard output
    file,     ///< appended to a file
    none,     ///< discarded: for measurements
};

struct SinkConfig {
    SinkType type = SinkType::stdout_;
    std::string path;                                ///< of `file`
    std::size_t queue_bytes = std::size_t{8} << 20;  ///< waiting for the sink before reading from devices pauses
};

struct AdminConfig {
    std::string address = "127.0.0.1:7080";  ///< or "off"

    [[nodiscard]] bool enabled() const { return address != "off"; }
};

/// When the watch over the population raises an alarm, and whom it tells.
struct AlarmConfig {
    std::chrono::milliseconds window{60'000};           ///< how far back the alarms look
    unsigned drop_percent = 5;                          ///< of the connections lost within the window: an alarm
    unsigned drop_least = 20;                           ///< but never for fewer than so many connections
    std::chrono::milliseconds recover_within{120'000};  ///< those that closed in an orderly way should be back by then
    bool suspicion = true;                              ///< ask a whole prefix when some of it fell silent
    std::string webhook;                                ///< http://... that is told of alarms; empty: nobody
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };
enum class LogFormat : std::uint8_t { text, json };

struct LogConfig {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
};

/// All that `holdfast serve` is told: docs/CONFIG.md. A value; made by load_config, which has checked it.
struct DaemonConfig {
    ServerConfig server;
    SinkConfig sink;
    AdminConfig admin;
    AlarmConfig alarm;
    LogConfig log;
};

}  // namespace holdfast
