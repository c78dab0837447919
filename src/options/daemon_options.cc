#include <algorithm>
#include <array>
#include <vector>

#include "net/url.h"
#include "options/option.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using D = DaemonConfig;

constexpr std::array<std::string_view, 3> with_path{"file", "spool", "nats"};
constexpr std::array<std::string_view, 2> with_spool{"spool", "nats"};
constexpr std::array<std::string_view, 1> with_nats{"nats"};

constexpr std::int64_t kib = 1 << 10;
constexpr std::int64_t mib = kib << 10;
constexpr std::int64_t gib = mib << 10;
constexpr std::string_view with_type = "at once, if `type` stays";
constexpr std::string_view pem = "path of a PEM file";

bool type_switches(Object running, Object wanted) { return running.as<D>().sink.type != wanted.as<D>().sink.type; }
/// Returns true if a changed path needs a restart. A spool keeps its directory while the gateway runs.
bool path_is_fixed(Object running, Object wanted) {
    return type_switches(running, wanted) || is_durable(running.as<D>().sink.type);
}

// clang-format off
constexpr auto daemon_rows = std::to_array<Option>({
    {.section = Section::sink, .key = "type", .place = at<&D::sink, &SinkConfig::type>, .flag = "--sink",
     .reload = OnReload::restart, .help = "destination of events",
     .more = sink_word_meanings, .example = "spool"},
    {.section = Section::sink, .key = "path", .place = at<&D::sink, &SinkConfig::path>, .form = "path", .of_sinks = with_path,
     .waits = path_is_fixed, .effect = "file: at once; earlier events go to the old file. spool, nats: with a restart",
     .help = "file for events, or directory of the spool",
     .more = "The default directory of a spool is `spool` in systemd's StateDirectory, else `holdfast-spool` in the working directory.",
     .example = "/var/log/holdfast/events.ndjson"},
    {.section = Section::sink, .key = "queue_bytes", .place = bytes_at<&D::sink, &SinkConfig::queue_bytes>,
     .range = {64 * kib, gib}, .waits = type_switches, .effect = with_type,
     .help = "maximum bytes of events that wait for the sink; then reading pauses", .example = "32MiB"},
    {.section = Section::sink, .key = "bad_items", .place = at<&D::sink, &SinkConfig::bad_items>,
     .reload = OnReload::restart, .help = "writes an event `bad_item` for each bad item",
     .more = "At most ten a second of a connection and 500 of a reactor; `closed` counts all. With `nats`, the stream needs the "
             "subject `holdfast.*.bad_item.*`.", .example = "true"},
    {.section = Section::sink, .key = "commit_interval", .place = at<&D::sink, &SinkConfig::commit_interval>,
     .range = {1ms, 1s}, .of_sinks = with_spool, .waits = type_switches, .effect = with_type,
     .help = "maximum time between two commits of the spool", .example = "20ms"},
    {.section = Section::sink, .key = "commit_bytes", .place = bytes_at<&D::sink, &SinkConfig::commit_bytes>,
     .range = {4 * kib, 16 * mib}, .of_sinks = with_spool, .waits = type_switches, .effect = with_type,
     .help = "bytes of events that start a commit before commit_interval", .example = "1MiB"},
    {.section = Section::sink, .key = "retain_bytes", .place = bytes_at<&D::sink, &SinkConfig::retain_bytes>,
     .range = {mib, 1024 * 1024 * gib}, .of_sinks = with_spool, .waits = type_switches, .effect = with_type,
     .help = "maximum size of the spool's events; the oldest are removed first",
     .more = "SQLite's logs and the sessions do not count.", .example = "100GiB"},
    {.section = Section::sink, .key = "retain_age", .place = at<&D::sink, &SinkConfig::retain_age>,
     .range = {1min, 1'000'000h}, .of_sinks = with_spool, .waits = type_switches, .effect = with_type,
     .help = "maximum age of the spool's events", .example = "720h"},
    {.section = Section::sink, .key = "max_sessions", .place = at<&D::sink, &SinkConfig::max_sessions>,
     .range = {16, 100'000'000}, .of_sinks = with_spool, .waits = type_switches, .effect = with_type,
     .help = "number of device sessions kept; unauthenticated ones are removed first", .example = "5000000"},
    {.section = Section::sink, .key = "sessions_per_id", .place = at<&D::sink, &SinkConfig::sessions_per_id>,
     .range = {1, 1'000}, .of_sinks = with_spool, .waits = type_switches, .effect = with_type,
     .help = "number of sessions kept per id, authenticated and unauthenticated each", .example = "4"},
    {.section = Section::sink, .key = "required_groups", .place = at<&D::sink, &SinkConfig::required_groups>,
     .form = "names with commas between them", .of_sinks = with_spool, .waits = type_switches, .effect = with_type,
     .help = "consumer groups that must have an event before retention removes it", .example = "billing,archive"},
    {.section = Section::sink, .key = "url", .place = at<&D::sink, &SinkConfig::url>,
     .form = "nats://... or tls://..., with commas between them", .of_sinks = with_nats, .reload = OnReload::restart,
     .shown = without_secrets, .help = "URLs of the NATS servers",
     .more = "A password in a URL is never printed. `--sink nats:URL` shows it to every user of the machine: write it into the "
             "file (mode 0600), or use `credentials`.",
     .example = "nats://10.0.0.5:4222"},
    {.section = Section::sink, .key = "stream", .place = at<&D::sink, &SinkConfig::stream>,
     .form = "1 to 64 of A-Z a-z 0-9 _ -", .of_sinks = with_nats, .reload = OnReload::restart,
     .help = "JetStream stream; created if it is missing, checked if it exists", .example = "devices"},
    {.section = Section::sink, .key = "replicas", .place = at<&D::sink, &SinkConfig::replicas>, .range = {0, 5},
     .zero = "three in a cluster, else one", .of_sinks = with_nats, .reload = OnReload::restart,
     .help = "number of replicas of a stream that the gateway creates", .example = "3"},
    {.section = Section::sink, .key = "batch", .place = at<&D::sink, &SinkConfig::batch>, .range = {1, 10'000},
     .of_sinks = with_nats, .reload = OnReload::restart,
     .help = "number of events in a message; 1: one message and subject per event", .example = "100"},
    {.section = Section::sink, .key = "window", .place = at<&D::sink, &SinkConfig::window>, .range = {1, 65'536},
     .of_sinks = with_nats, .reload = OnReload::restart,
     .help = "maximum number of messages in flight to JetStream", .example = "4096"},
    {.section = Section::sink, .key = "credentials", .place = at<&D::sink, &SinkConfig::credentials>,
     .form = "path of a .creds file", .of_sinks = with_nats, .reload = OnReload::restart, .secret = true,
     .help = "NATS credentials", .example = "/etc/holdfast/nats.creds"},
    {.section = Section::sink, .key = "tls_ca", .place = at<&D::sink, &SinkConfig::tls_ca>, .form = pem,
     .of_sinks = with_nats, .reload = OnReload::restart,
     .help = "authorities for the server's certificate; empty: those of the system", .example = "/etc/holdfast/nats-ca.pem"},
    {.section = Section::sink, .key = "tls_cert", .place = at<&D::sink, &SinkConfig::tls_cert>, .form = pem,
     .of_sinks = with_nats, .reload = OnReload::restart,
     .help = "certificate of the gateway for NATS", .example = "/etc/holdfast/nats.pem"},
    {.section = Section::sink, .key = "tls_key", .place = at<&D::sink, &SinkConfig::tls_key>, .form = pem,
     .of_sinks = with_nats, .reload = OnReload::restart, .secret = true,
     .help = "private key of tls_cert", .example = "/etc/holdfast/nats.key"},

    {.section = Section::fleet, .key = "enabled", .place = at<&D::fleet, &FleetConfig::enabled>, .reload = OnReload::restart,
     .help = "presence of devices in the fleet of gateways on the same NATS", .more = "Requires the sink `nats`.",
     .example = "false"},
    {.section = Section::fleet, .key = "name", .place = at<&D::fleet, &FleetConfig::name>,
     .form = "1 to 64 of A-Z a-z 0-9 _ . -", .reload = OnReload::restart,
     .help = "unique name of this gateway in the fleet; empty: the host's name", .example = "gateway-1"},
    {.section = Section::fleet, .key = "lost_after", .place = at<&D::fleet, &FleetConfig::lost_after>, .range = {7s, 1h},
     .reload = OnReload::restart,
     .help = "silence of a gateway after which its devices are reported as gateway_lost", .example = "30s"},
    {.section = Section::fleet, .key = "max_closed_unauthenticated",
     .place = at<&D::fleet, &FleetConfig::max_closed_unauthenticated>, .range = {0, 10'000'000}, .reload = OnReload::restart,
     .help = "number of presence records kept of closed unauthenticated connections", .example = "1000"},

    {.section = Section::admin, .key = "address", .place = at<&D::admin, &AdminConfig::address>,
     .form = "ADDRESS:PORT, or off", .flag = "--admin", .reload = OnReload::restart,
     .help = "address of the HTTP API and metrics; \"off\": none",
     .more = "An address that is not loopback needs `token_file`, `tls_certificate` and `tls_key`.", .example = "127.0.0.1:9080"},
    {.section = Section::admin, .key = "socket", .place = at<&D::admin, &AdminConfig::socket>, .form = "path, or off",
     .reload = OnReload::restart, .help = "unix socket (mode 0600) for the HTTP API; \"off\": none",
     .more = "The default is `admin.sock` in systemd's RuntimeDirectory, else none.", .example = "/run/holdfast/admin.sock"},
    {.section = Section::admin, .key = "health", .place = at<&D::admin, &AdminConfig::health>,
     .form = "ADDRESS:PORT or unix:PATH", .reload = OnReload::restart,
     .help = "plain, public address of /healthz and /readyz alone",
     .more = "Needs no token and no certificate, and may be any address: it answers in one word.", .example = "0.0.0.0:7081"},
    {.section = Section::admin, .key = "token_file", .place = at<&D::admin, &AdminConfig::token_file>,
     .form = "path of a file (mode 0600) with one token a line", .reload = OnReload::restart,
     .effect = "the file is read at each reload; another path needs a restart", .secret = true,
     .help = "tokens with every right at the address; empty: no token is required",
     .more = "A token is 16 to 256 of `A-Z a-z 0-9 - . _ ~ + / =` (`openssl rand -hex 32`). Lines that begin with `#` are comments.",
     .example = "/etc/holdfast/admin-tokens"},
    {.section = Section::admin, .key = "read_token_file", .place = at<&D::admin, &AdminConfig::read_token_file>,
     .form = "path of a file (mode 0600) with one token a line", .reload = OnReload::restart,
     .effect = "the file is read at each reload; another path needs a restart", .secret = true,
     .help = "tokens with the right to read only: dashboards, Prometheus", .example = "/etc/holdfast/read-tokens"},
    {.section = Section::admin, .key = "tls_certificate", .place = at<&D::admin, &AdminConfig::tls_certificate>, .form = pem,
     .reload = OnReload::restart, .effect = "the file is read at each reload; another path needs a restart",
     .help = "certificate chain of the address, which then speaks HTTPS only", .example = "/etc/holdfast/admin.pem"},
    {.section = Section::admin, .key = "tls_key", .place = at<&D::admin, &AdminConfig::tls_key>, .form = pem,
     .reload = OnReload::restart, .effect = "the file is read at each reload; another path needs a restart", .secret = true,
     .help = "private key of tls_certificate", .example = "/etc/holdfast/admin.key"},
    {.section = Section::admin, .key = "hosts", .place = at<&D::admin, &AdminConfig::hosts>, .form = "names of hosts",
     .reload = OnReload::restart, .help = "further host names of the address; requests for others are refused",
     .more = "localhost, IP addresses and the names in the certificate are always accepted.",
     .example = "gateway.example.org,gateway"},

    {.section = Section::alarm, .key = "window", .place = at<&D::alarm, &AlarmConfig::window>, .range = {10s, 1h},
     .help = "time span that the alarms look back", .example = "5m"},
    {.section = Section::alarm, .key = "drop_percent", .place = at<&D::alarm, &AlarmConfig::drop_percent>, .range = {1, 100},
     .help = "share of connections, in percent, whose unusual loss raises an alarm", .example = "10"},
    {.section = Section::alarm, .key = "drop_least", .place = at<&D::alarm, &AlarmConfig::drop_least>,
     .range = {1, 1'000'000}, .help = "minimum number of lost connections for a drop alarm", .example = "100"},
    {.section = Section::alarm, .key = "recover_within", .place = at<&D::alarm, &AlarmConfig::recover_within>,
     .range = {10s, 1h}, .help = "time in which devices return after an orderly close, e.g. a deploy", .example = "5m"},
    {.section = Section::alarm, .key = "suspicion", .place = at<&D::alarm, &AlarmConfig::suspicion>,
     .help = "probes of a whole prefix when some of its devices fall silent",
     .more = "Silent connections are marked, and an alarm is raised.", .example = "false"},
    {.section = Section::alarm, .key = "webhook", .place = at<&D::alarm, &AlarmConfig::webhook>,
     .form = "http://... or https://...", .secret = true, .shown = without_secrets_of_http,
     .help = "URL that receives a POST for each alarm raised or cleared", .example = "https://alerts.example.org/holdfast"},
    {.section = Section::alarm, .key = "webhook_form", .place = at<&D::alarm, &AlarmConfig::webhook_form>,
     .help = "format of the webhook's messages",
     .more = "`alertmanager` is the body of Alertmanager's `/api/v2/alerts`, `slack` a text for an incoming webhook of Slack or "
             "Mattermost.",
     .example = "slack"},
    {.section = Section::alarm, .key = "webhook_header_file", .place = at<&D::alarm, &AlarmConfig::webhook_header_file>,
     .form = "path of a file (mode 0600) with one header", .effect = "the file is read at each reload", .secret = true,
     .help = "header that authenticates the POSTs of the webhook",
     .more = "The file has one line, e.g. `Authorization: Bearer ...`.", .example = "/etc/holdfast/webhook-header"},
    {.section = Section::alarm, .key = "dashboard_url", .place = at<&D::alarm, &AlarmConfig::dashboard_url>,
     .form = "http://... or https://...", .help = "URL of the dashboard in messages; empty: the admin address",
     .example = "https://gateway-1.example.org/"},

    {.section = Section::log, .key = "level", .place = at<&D::log, &LogConfig::level>, .flag = "--log-level",
     .effect = "from the next line on", .help = "least severe level that is logged, to standard error", .example = "warn"},
    {.section = Section::log, .key = "format", .place = at<&D::log, &LogConfig::format>, .flag = "--log-format",
     .effect = "from the next line on", .help = "text for people, json for machines", .example = "json"},

    {.section = Section::process, .key = "user", .place = at<&D::process, &ProcessConfig::user>, .form = "name of a user",
     .flag = "--user", .reload = OnReload::restart,
     .help = "user of a gateway that root starts; root's rights are dropped", .example = "holdfast"},
    {.section = Section::process, .key = "keeper", .place = at<&D::process, &ProcessConfig::keeper>,
     .reload = OnReload::restart, .help = "keeps plain connections when the gateway's process crashes",
     .more = "A second, small process starts the gateway as its worker and holds the descriptors. Devices that number their items get a "
             "further `resume`. Connections with TLS, and those that lost bytes in a framing with lengths, end as `gateway_crashed`.",
     .example = "true"},
    {.section = Section::process, .key = "keeper_crashes", .place = at<&D::process, &ProcessConfig::keeper_crashes>,
     .range = {1, 1'000}, .reload = OnReload::restart,
     .help = "crashes of the worker in a minute, after which the keeper closes all connections", .example = "5"},
    {.section = Section::process, .key = "state_file", .place = at<&D::process, &ProcessConfig::state_file>,
     .form = "path, or off", .reload = OnReload::restart,
     .help = "file that keeps the closed history and the trend over restarts; \"off\": none",
     .more = "The default is `state` in systemd's StateDirectory, else in the directory of the spool, else none. "
             "A path that is no regular file, such as a FIFO, is an error.",
     .example = "/var/lib/holdfast/state"},
});
// clang-format on

constexpr std::array<std::string_view, 10> names{"",      "listener", "item",  "limits", "sink",
                                                 "fleet", "admin",    "alarm", "log",    "process"};

std::vector<Option> put_together() {
    const auto of_server = detail::rows_of_server();
    std::vector<Option> table(of_server.begin(), of_server.end());
    table.insert(table.end(), daemon_rows.begin(), daemon_rows.end());
    return table;
}

}  // namespace

std::span<const Option> all_options() {
    static const std::vector<Option> table = put_together();
    return table;
}

std::span<const Option> daemon_options() { return all_options().subspan(server_options().size()); }

const Option* find_option(Section section, std::string_view key) {
    for (const Option& option : all_options()) {
        if (option.section == section && option.key == key) return &option;
    }
    return nullptr;
}

Object object_of(const Option& option, DaemonConfig& config, std::size_t listener) {
    switch (option.section) {
        case Section::listener:
            return config.server.listeners.at(listener);
        case Section::top:
        case Section::item:
        case Section::limits:
            return config.server;
        default:
            return config;
    }
}

std::string default_text(const Option& option) {
    DaemonConfig config;
    return value_text(option, object_of(option, config));
}

std::string_view name_of(Section section) { return names[static_cast<std::size_t>(section)]; }

std::span<const std::string_view> section_names() { return std::span(names).subspan(1); }

std::string in_section(Section section) {
    if (section == Section::top) return "";
    if (section == Section::listener) return " in [[listener]]";
    return " in [" + std::string(name_of(section)) + "]";
}

std::optional<Section> find_section(std::string_view name) {
    const auto found = std::find(names.begin() + 1, names.end(), name);
    if (found == names.end()) return std::nullopt;
    return static_cast<Section>(found - names.begin());
}

}  // namespace holdfast
