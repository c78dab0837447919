#include <algorithm>
#include <array>
#include <vector>

#include "base/http_url.h"
#include "config/option.h"
#include "config/option_rows.h"
#include "server/validate.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using OptionalDuration = std::optional<milliseconds>;

// Each in the order of its enumeration.
constexpr std::array<std::string_view, 3> framings{"ndjson", "json", "length"};
constexpr std::array<std::string_view, 3> proxy_protocols{"off", "v1", "v2"};
constexpr std::array<std::string_view, 4> log_levels{"debug", "info", "warn", "error"};
constexpr std::array<std::string_view, 2> log_formats{"text", "json"};

struct Range {
    std::int64_t least;
    std::int64_t most;
};

constexpr Range range(bounds::Bounds<milliseconds> of) { return {of.least.count(), of.most.count()}; }
constexpr Range range(bounds::Bounds<std::size_t> of) {
    return {static_cast<std::int64_t>(of.least), static_cast<std::int64_t>(of.most)};
}

constexpr Range read_idle = range(bounds::read_idle);
constexpr Range write_stall = range(bounds::write_stall);
constexpr Range item_deadline = range(bounds::item_deadline);
constexpr Range drain_time = range(bounds::drain_time);
constexpr Range max_bad_items = range(bounds::max_bad_items);
constexpr Range backlog = range(bounds::backlog);
constexpr Range item_bytes = range(bounds::item_bytes);
constexpr Range item_depth = range(bounds::item_depth);
constexpr Range max_connections = range(bounds::max_connections);
constexpr Range downlink_queue = range(bounds::downlink_queue);
constexpr Range accept_rate = range(bounds::accept_rate);
constexpr Range buffer_budget = range(bounds::buffer_budget);
constexpr Range per_second = range(bounds::per_second);
constexpr Range reactors = range(bounds::reactors);
constexpr Range alarm_window{10'000, 3'600'000};
constexpr Range percent{1, 100};
constexpr Range drop_least{1, 1'000'000};
constexpr Range recover_within{10'000, 3'600'000};

// detect_within has no range here: plan_liveness has it, and says why.
const auto rows_before_the_sink = std::to_array<Option>({
    {.section = Section::top,
     .name = "reactors",
     .type = OptionType::count,
     .place = [](Target t) -> unsigned& { return t.daemon.server.reactors; },
     .default_text = "0",
     .least = reactors.least,
     .most = reactors.most,
     .zero = "one a core",
     .flag = "--reactors",
     .help = "event-loop threads; 0: one a core"},
    {.section = Section::top,
     .name = "drain_time",
     .type = OptionType::duration,
     .place = [](Target t) -> milliseconds& { return t.daemon.server.drain_time; },
     .default_text = "5s",
     .least = drain_time.least,
     .most = drain_time.most,
     .flag = "--drain-time",
     .help = "a stop (SIGTERM) takes at most so long"},

    {.section = Section::listener,
     .name = "name",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.name; },
     .default_text = "devices",
     .help = "in events and metrics: 1 to 64 of A-Z a-z 0-9 _ . -, unique"},
    {.section = Section::listener,
     .name = "address",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.address; },
     .default_text = "127.0.0.1:7000",
     .flag = "--listen",
     .help = "where devices connect; \"[::]:7000\" takes IPv4 and IPv6 from everywhere"},
    {.section = Section::listener,
     .name = "framing",
     .type = OptionType::choice,
     .place = [](Target t) -> Framing& { return t.listener.framing; },
     .default_text = "ndjson",
     .choices = framings,
     .flag = "--framing",
     .help = "how items are cut out of the stream: ndjson (one a line), json (one after another) or length (4 bytes)"},
    {.section = Section::listener,
     .name = "detect_within",
     .type = OptionType::duration,
     .place = [](Target t) -> milliseconds& { return t.listener.detect_within; },
     .default_text = "30s",
     .flag = "--detect-within",
     .help = "every silent death is found within it, 3s to 1h; all of liveness follows from it"},
    {.section = Section::listener,
     .name = "read_idle",
     .type = OptionType::duration,
     .place = [](Target t) -> OptionalDuration& { return t.listener.read_idle; },
     .default_text = "5m",
     .least = read_idle.least,
     .most = read_idle.most,
     .word = "off",
     .flag = "--read-idle",
     .help = "no complete item for so long: close; \"off\" for devices that may stay quiet"},
    {.section = Section::listener,
     .name = "write_stall",
     .type = OptionType::duration,
     .place = [](Target t) -> OptionalDuration& { return t.listener.write_stall; },
     .default_text = "detect_within",
     .least = write_stall.least,
     .most = write_stall.most,
     .word = "detect_within",
     .flag = "--write-stall",
     .help = "a device that answers but takes no byte (zero window) for so long: close"},
    {.section = Section::listener,
     .name = "item_deadline",
     .type = OptionType::duration,
     .place = [](Target t) -> milliseconds& { return t.listener.item_deadline; },
     .default_text = "30s",
     .least = item_deadline.least,
     .most = item_deadline.most,
     .flag = "--item-deadline",
     .help = "from an item's first byte to its last; longer: close"},
    {.section = Section::listener,
     .name = "max_bad_items",
     .type = OptionType::count,
     .place = [](Target t) -> std::uint16_t& { return t.listener.max_bad_items; },
     .default_text = "100",
     .least = max_bad_items.least,
     .most = max_bad_items.most,
     .flag = "--max-bad-items",
     .help = "bad items in a row that end the connection"},
    {.section = Section::listener,
     .name = "backlog",
     .type = OptionType::count,
     .place = [](Target t) -> int& { return t.listener.backlog; },
     .default_text = "4096",
     .least = backlog.least,
     .most = backlog.most,
     .help = "connections the kernel keeps until they are accepted (net.core.somaxconn caps it)"},
    {.section = Section::listener,
     .name = "reuse_port",
     .type = OptionType::boolean,
     .place = [](Target t) -> bool& { return t.listener.reuse_port; },
     .default_text = "false",
     .flag = "--reuse-port",
     .help = "let several gateway processes share the address"},
    {.section = Section::listener,
     .name = "acks",
     .type = OptionType::boolean,
     .place = [](Target t) -> bool& { return t.listener.acks; },
     .default_text = "false",
     .flag = "--acks",
     .help = "tell devices which of their items are safe (docs/reference/protocol.md); needs the sink spool or nats"},
    {.section = Section::listener,
     .name = "tokens_file",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.listener.tokens_file; },
     .default_text = "",
     .help = "hashed tokens of devices (holdfast token add); only a hello with its id's token opens a connection then"},
    {.section = Section::listener,
     .name = "proxy_protocol",
     .type = OptionType::choice,
     .place = [](Target t) -> ProxyProtocol& { return t.listener.proxy_protocol; },
     .default_text = "off",
     .choices = proxy_protocols,
     .help = "a proxy tells in front of each connection whose it is: off, v1 or v2, never guessed"},
    {.section = Section::listener,
     .name = "trusted_proxies",
     .type = OptionType::texts,
     .place = [](Target t) -> std::vector<std::string>& { return t.listener.trusted_proxies; },
     .default_text = "[]",
     .help = "addresses and prefixes of those proxies, e.g. [\"10.0.0.0/8\"]; nobody else is let in then"},

    {.section = Section::item,
     .name = "key",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.server.item.key; },
     .default_text = "ip",
     .flag = "--key",
     .help = "the field that identifies an item, matched without regard to case"},
    {.section = Section::item,
     .name = "max_bytes",
     .type = OptionType::size,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.item.max_bytes; },
     .default_text = "64KiB",
     .least = item_bytes.least,
     .most = item_bytes.most,
     .flag = "--max-item-bytes",
     .help = "of one item, up to 1MiB; a larger one ends the connection"},
    {.section = Section::item,
     .name = "max_depth",
     .type = OptionType::count,
     .place = [](Target t) -> unsigned& { return t.daemon.server.item.max_depth; },
     .default_text = "64",
     .least = item_depth.least,
     .most = item_depth.most,
     .help = "of nested objects and arrays in an item, up to 1024"},

    {.section = Section::limits,
     .name = "max_connections",
     .type = OptionType::count,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.max_connections; },
     .default_text = "0",
     .least = max_connections.least,
     .most = max_connections.most,
     .zero = "what the descriptor limit allows",
     .flag = "--max-connections",
     .help = "at once, of all listeners; 0: the descriptor limit less a reserve"},
    {.section = Section::limits,
     .name = "downlink_queue",
     .type = OptionType::size,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.downlink_queue; },
     .default_text = "64KiB",
     .least = downlink_queue.least,
     .most = downlink_queue.most,
     .help = "waiting for one device beyond the kernel's buffer; more is refused"},
    {.section = Section::limits,
     .name = "max_connections_per_peer",
     .type = OptionType::count,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.max_connections_per_peer; },
     .default_text = "0",
     .least = max_connections.least,
     .most = max_connections.most,
     .zero = "no limit",
     .help = "at once, of one IPv4 address or IPv6 /64; more are turned away; 0: no limit"},
    {.section = Section::limits,
     .name = "max_connections_per_prefix",
     .type = OptionType::count,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.max_connections_per_prefix; },
     .default_text = "0",
     .least = max_connections.least,
     .most = max_connections.most,
     .zero = "no limit",
     .help = "at once, of one IPv4 /24 or IPv6 /48; more are turned away; 0: no limit"},
    {.section = Section::limits,
     .name = "accept_rate",
     .type = OptionType::count,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.accept_rate; },
     .default_text = "0",
     .least = accept_rate.least,
     .most = accept_rate.most,
     .zero = "no limit",
     .help = "connections a second, of all listeners; sources take turns; 0: no limit"},
    {.section = Section::limits,
     .name = "buffer_budget",
     .type = OptionType::size,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.buffer_budget; },
     .default_text = "512MiB",
     .least = buffer_budget.least,
     .most = buffer_budget.most,
     .zero = "no limit",
     .help = "unfinished items, downlink queues and TLS sessions (14 KiB each, 24 with the device's certificate, 48 in "
             "the handshake) of all connections; near it the largest are not read, then connections that hold "
             "unfinished bytes end as shed, unauthenticated ones first, then those of the sources that hold most; 0: "
             "no limit"},
    {.section = Section::limits,
     .name = "items_per_second",
     .type = OptionType::count,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.items_per_second; },
     .default_text = "0",
     .least = per_second.least,
     .most = per_second.most,
     .zero = "no limit",
     .help = "of one connection; what is beyond waits in the kernel; 0: no limit"},
    {.section = Section::limits,
     .name = "bytes_per_second",
     .type = OptionType::size,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.bytes_per_second; },
     .default_text = "0B",
     .least = per_second.least,
     .most = per_second.most,
     .zero = "no limit",
     .help = "of one connection; what is beyond waits in the kernel; 0: no limit"},
    {.section = Section::limits,
     .name = "max_handshakes",
     .type = OptionType::count,
     .place = [](Target t) -> std::size_t& { return t.daemon.server.limits.max_handshakes; },
     .default_text = "1024",
     .least = max_connections.least,
     .most = max_connections.most,
     .zero = "no limit",
     .help = "of TLS under way at once, of all listeners; beyond it the source with most is turned away; 0: no limit"},
});

const auto rows_behind_the_sink = std::to_array<Option>({
    {.section = Section::alarm,
     .name = "window",
     .type = OptionType::duration,
     .place = [](Target t) -> milliseconds& { return t.daemon.alarm.window; },
     .default_text = "1m",
     .least = alarm_window.least,
     .most = alarm_window.most,
     .help = "how far back the alarms look, 10s to 1h"},
    {.section = Section::alarm,
     .name = "drop_percent",
     .type = OptionType::count,
     .place = [](Target t) -> unsigned& { return t.daemon.alarm.drop_percent; },
     .default_text = "5",
     .least = percent.least,
     .most = percent.most,
     .help = "of the connections lost within the window, where so many are not usual: an alarm"},
    {.section = Section::alarm,
     .name = "drop_least",
     .type = OptionType::count,
     .place = [](Target t) -> unsigned& { return t.daemon.alarm.drop_least; },
     .default_text = "20",
     .least = drop_least.least,
     .most = drop_least.most,
     .help = "no drop alarm for fewer connections than so many"},
    {.section = Section::alarm,
     .name = "recover_within",
     .type = OptionType::duration,
     .place = [](Target t) -> milliseconds& { return t.daemon.alarm.recover_within; },
     .default_text = "2m",
     .least = recover_within.least,
     .most = recover_within.most,
     .help = "devices that closed in an orderly way (a deploy) are expected back within it"},
    {.section = Section::alarm,
     .name = "suspicion",
     .type = OptionType::boolean,
     .place = [](Target t) -> bool& { return t.daemon.alarm.suspicion; },
     .default_text = "true",
     .help = "when some of a prefix fall silent, probe all of it at once, mark the silent and raise an alarm"},
    {.section = Section::alarm,
     .name = "webhook",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.alarm.webhook; },
     .default_text = "",
     .shown = without_secrets_of_http,
     .help = "a URL, http://... or https://..., that gets a POST for each alarm raised or cleared"},

    {.section = Section::log,
     .name = "level",
     .type = OptionType::choice,
     .place = [](Target t) -> LogLevel& { return t.daemon.log.level; },
     .default_text = "info",
     .choices = log_levels,
     .flag = "--log-level",
     .help = "debug, info, warn or error; the log goes to standard error"},
    {.section = Section::log,
     .name = "format",
     .type = OptionType::choice,
     .place = [](Target t) -> LogFormat& { return t.daemon.log.format; },
     .default_text = "text",
     .choices = log_formats,
     .flag = "--log-format",
     .help = "text for people, json for machines"},

    {.section = Section::process,
     .name = "user",
     .type = OptionType::text,
     .place = [](Target t) -> std::string& { return t.daemon.process.user; },
     .default_text = "",
     .flag = "--user",
     .help = "started by root, it goes on as this user, without root's rights"},
});

constexpr std::array<std::string_view, 10> section_names{"",      "listener", "item",  "limits", "sink",
                                                         "fleet", "admin",    "alarm", "log",    "process"};

std::vector<Option> put_together() {
    std::vector<Option> table(rows_before_the_sink.begin(), rows_before_the_sink.end());
    const auto behind_listeners =
        std::find_if(table.begin(), table.end(), [](const Option& row) { return row.section == Section::item; });
    table.insert(behind_listeners, tls_rows().begin(), tls_rows().end());
    for (const auto rows : {sink_rows(), fleet_rows(), admin_rows(), std::span<const Option>(rows_behind_the_sink)}) {
        table.insert(table.end(), rows.begin(), rows.end());
    }
    return table;
}

}  // namespace

std::span<const Option> all_options() {
    static const std::vector<Option> table = put_together();
    return table;
}

const Option* find_option(Section section, std::string_view name) {
    for (const Option& option : all_options()) {
        if (option.section == section && option.name == name) return &option;
    }
    return nullptr;
}

std::string_view name_of(Section section) { return section_names[static_cast<std::size_t>(section)]; }

std::string in_section(Section section) {
    if (section == Section::top) return "";
    if (section == Section::listener) return " in [[listener]]";
    return " in [" + std::string(name_of(section)) + "]";
}

std::optional<Section> find_section(std::string_view name) {
    for (std::size_t i = 1; i < section_names.size(); ++i) {
        if (section_names[i] == name) return static_cast<Section>(i);
    }
    return std::nullopt;
}

}  // namespace holdfast
