#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <holdfast/config.h>

#include "base/words.h"

namespace holdfast {

/// Names the destination of events.
enum class SinkType : std::uint8_t {
    stdout_,  ///< one line each on standard output
    file,     ///< appended to a file
    none,     ///< discarded: for measurements
    spool,    ///< the embedded durable log
    nats,     ///< that log, and from there to NATS JetStream
};

template <>
inline constexpr std::array<std::string_view, 5> words_of<SinkType>{"stdout", "file", "none", "spool", "nats"};

/// They outlive a crash, so that a device can be told what is safe.
[[nodiscard]] constexpr bool is_durable(SinkType type) { return type == SinkType::spool || type == SinkType::nats; }

struct SinkConfig {
    SinkType type = SinkType::stdout_;
    std::string path;  ///< of `file`; of a durable one the spool's directory, which load_config fills in if it is empty
    std::size_t queue_bytes = std::size_t{8} << 20;  ///< waiting for the sink before reading from devices pauses
    // Of `spool` and `nats`.
    std::chrono::milliseconds commit_interval{5};
    std::size_t commit_bytes = std::size_t{256} << 10;
    std::size_t retain_bytes = std::size_t{10} << 30;
    std::chrono::milliseconds retain_age = std::chrono::hours(24 * 7);
    std::size_t max_sessions = 1'000'000;  ///< of devices that number their items, remembered
    std::size_t sessions_per_id = 8;       ///< of these, with proof and without each
    std::string required_groups;           ///< with commas between them: group_names() of config/checks.h
    // Of `nats`.
    std::string url = "nats://127.0.0.1:4222";  ///< several, with commas between them; may hold passwords
    std::string stream = "holdfast";
    unsigned replicas = 0;  ///< 0: three in a cluster, else one
    std::size_t batch = 1;  ///< events in a message
    std::size_t window = 1024;
    std::string credentials;  ///< a file; these four are empty if there is none
    std::string tls_ca;
    std::string tls_cert;
    std::string tls_key;
};

/// The gateways that share a NATS cluster, and this one's name among them.
struct FleetConfig {
    bool enabled = true;  ///< where the sink is `nats`
    std::string name;     ///< empty: the host's
    std::chrono::milliseconds lost_after{10'000};
    std::size_t max_closed_unauthenticated = 10'000;  ///< records in the presence bucket
};

/// The ways in to the admin API.
struct AdminConfig {
    std::string address = "127.0.0.1:7080";  ///< or "off"
    std::string socket;  ///< a path, or "off"; load_config fills in the default if it is empty, and there may be none
    std::string health;  ///< an address or "unix:PATH" for the two probes alone; empty: none
    std::string token_file;
    std::string read_token_file;
    std::string tls_certificate;
    std::string tls_key;
    std::vector<std::string> hosts;

    [[nodiscard]] bool has_address() const { return address != "off"; }
    [[nodiscard]] bool has_socket() const { return !socket.empty() && socket != "off"; }
};

/// When the watch over the population raises an alarm, and whom it tells.
struct AlarmConfig {
    std::chrono::milliseconds window{60'000};           ///< how far back the alarms look
    unsigned drop_percent = 5;                          ///< of the connections lost within the window: an alarm
    unsigned drop_least = 20;                           ///< but never for fewer than so many connections
    std::chrono::milliseconds recover_within{120'000};  ///< those that closed in an orderly way should be back by then
    bool suspicion = true;                              ///< probe a whole prefix when some of it fell silent
    std::string webhook;                                ///< http://... that is told of alarms; empty: nobody
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };
enum class LogFormat : std::uint8_t { text, json };

template <>
inline constexpr std::array<std::string_view, 4> words_of<LogLevel>{"debug", "info", "warn", "error"};
template <>
inline constexpr std::array<std::string_view, 2> words_of<LogFormat>{"text", "json"};

struct LogConfig {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
};

struct ProcessConfig {
    std::string user;  ///< that a gateway started by root goes on as; empty: it stays who it is
};

/// Holds the configuration of `holdfast serve`: docs/reference/options.md. load_config() makes it and has checked it.
struct DaemonConfig {
    ServerConfig server;
    SinkConfig sink;
    FleetConfig fleet;
    AdminConfig admin;
    AlarmConfig alarm;
    LogConfig log;
    ProcessConfig process;
};

}  // namespace holdfast
