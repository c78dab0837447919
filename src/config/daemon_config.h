#pragma once

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
    LogConfig log;
};

}  // namespace holdfast
