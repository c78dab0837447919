#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <holdfast/config.h>

#include "model/words.h"

namespace holdfast {

/// Destination of events.
enum class SinkType : std::uint8_t {
    stdout_,  ///< lines on standard output
    file,     ///< lines appended to a file
    none,     ///< discarded, for measurements
    spool,    ///< the embedded durable log
    nats,     ///< NATS JetStream, by way of that log
};

template <>
inline constexpr std::array<std::string_view, 5> words_of<SinkType>{"stdout", "file", "none", "spool", "nats"};
/// Values of the flag `--sink`, for its help.
inline constexpr std::string_view sink_flag_values =
    "stdout, file:PATH, spool:DIR (durable), nats:URL (durable, and to NATS JetStream), or none (for measurements)";
/// Meanings of the words, for docs/reference/options.md.
inline constexpr std::string_view sink_word_meanings =
    "`stdout`: standard output. `file`: a file. `none`: discarded, for measurements. `spool`: a durable log on this "
    "machine. `nats`: through a spool to NATS JetStream.";

/// Returns true if events survive a crash, so that devices can be sent acknowledgements.
[[nodiscard]] constexpr bool is_durable(SinkType type) { return type == SinkType::spool || type == SinkType::nats; }

struct SinkConfig {
    SinkType type = SinkType::stdout_;
    std::string path;  ///< file, or directory of a durable sink; load_config() sets a default if empty
    std::size_t queue_bytes = std::size_t{8} << 20;  ///< limit on the sink's queue; reading pauses beyond it
    bool bad_items = false;                          ///< writes an event for each bad item
    // Keys of `spool` and `nats`.
    std::chrono::milliseconds commit_interval{5};
    std::size_t commit_bytes = std::size_t{256} << 10;
    std::size_t retain_bytes = std::size_t{10} << 30;
    std::chrono::milliseconds retain_age = std::chrono::hours(24 * 7);
    std::size_t max_sessions = 1'000'000;  ///< limit on the remembered sessions of devices that number their items
    std::size_t sessions_per_id = 8;       ///< limit per id, for authenticated and unauthenticated sessions each
    std::string required_groups;           ///< separated by commas; see group_names() in config/checks.h
    // Keys of `nats`.
    std::string url = "nats://127.0.0.1:4222";  ///< separated by commas; may hold passwords
    std::string stream = "holdfast";
    unsigned replicas = 0;  ///< 0: three in a cluster, else one
    std::size_t batch = 1;  ///< events per message
    std::size_t window = 1024;
    std::string credentials;  ///< a file; these four are empty if unset
    std::string tls_ca;
    std::string tls_cert;
    std::string tls_key;
};

/// Membership in the fleet: the gateways that share a NATS cluster.
struct FleetConfig {
    bool enabled = true;  ///< effective if the sink is `nats`
    std::string name;     ///< empty: the host's name
    std::chrono::milliseconds lost_after{10'000};
    std::size_t max_closed_unauthenticated = 10'000;  ///< limit on records in the presence bucket
};

/// Addresses, credentials and certificates of the admin API.
struct AdminConfig {
    std::string address = "127.0.0.1:7080";  ///< an address or "off"
    std::string socket;  ///< a path or "off"; load_config() sets the default, if there is one, when empty
    std::string health;  ///< an address or "unix:PATH" of the two probes alone; empty: none
    std::string token_file;
    std::string read_token_file;
    std::string tls_certificate;
    std::string tls_key;
    std::vector<std::string> hosts;

    [[nodiscard]] bool has_address() const { return address != "off"; }
    [[nodiscard]] bool has_socket() const { return !socket.empty() && socket != "off"; }
};

/// Format of the webhook's messages.
enum class WebhookForm : std::uint8_t { holdfast, alertmanager, slack };

template <>
inline constexpr std::array<std::string_view, 3> words_of<WebhookForm>{"holdfast", "alertmanager", "slack"};

/// Conditions of the population alarms, and the webhook.
struct AlarmConfig {
    std::chrono::milliseconds window{60'000};  ///< time span that the alarms examine
    unsigned drop_percent = 5;  ///< percentage of connections lost within the window that raises an alarm
    unsigned drop_least = 20;   ///< smallest number of lost connections that raises an alarm
    std::chrono::milliseconds recover_within{120'000};  ///< time for devices to reconnect after an orderly close
    bool suspicion = true;                              ///< probe a whole prefix after canaries in it fell silent
    std::string webhook;                                ///< http:// URL to notify of alarms; empty: none
    WebhookForm webhook_form = WebhookForm::holdfast;
    std::string webhook_header_file;  ///< a file with one header of each POST; empty: none
    std::string dashboard_url;        ///< of links to the dashboard; empty: the admin address
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
    bool keeper = false;          ///< a second process keeps the connections when the gateway's process ends
    unsigned keeper_crashes = 3;  ///< ends of a worker within a minute after which the connections are given up
    std::string user;             ///< user to run as when started by root; empty: unchanged
    std::string state_file;       ///< a path or "off"; empty: state_file_of() has the default
};

/// The configuration of `holdfast serve` (docs/reference/options.md). load_config() creates and checks it.
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
