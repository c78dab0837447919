#include <array>

#include <holdfast/liveness.h>

#include "options/option.h"
#include "text/printable.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using L = ListenerConfig;
using C = ServerConfig;

constexpr std::int64_t kib = 1 << 10;
constexpr std::int64_t mib = kib << 10;
constexpr std::int64_t max_header = 64;
constexpr std::int64_t max_adjustment = 65'536;
constexpr std::int64_t tib = mib << 20;
constexpr Range connections{0, 100'000'000};
constexpr std::string_view now_and_living = "at once, for living connections too";
constexpr std::string_view pem = "path of a PEM file";
constexpr std::string_view files_again =
    "at once, for new handshakes; living connections stay. The file is read at each reload. Where the listener gains "
    "or "
    "loses TLS, a restart is needed";
constexpr std::string_view rules_again =
    "at once; living connections that the new rules reject end as `kicked`. A wrong file rejects the whole reload. "
    "Where "
    "the listener gains or loses TLS, a restart is needed";

/// Returns true if TLS is switched on or off, which a living listener does not support.
bool tls_switches(Object running, Object wanted) {
    return running.as<L>().tls.enabled() != wanted.as<L>().tls.enabled();
}
/// Returns true if a listener changes between an inherited socket and another one.
bool socket_switches(Object running, Object wanted) {
    const auto is_inherited = [](Object listener) { return listener.as<L>().address.starts_with("fd:"); };
    return is_inherited(running) || is_inherited(wanted);
}
bool proxy_protocol_switches(Object running, Object wanted) {
    return running.as<L>().proxy_protocol != wanted.as<L>().proxy_protocol;
}

// clang-format off
constexpr auto server_rows = std::to_array<Option>({
    {.key = "reactors", .place = at<&C::reactors>, .range = {0, 128}, .zero = "one per core", .flag = "--reactors",
     .reload = OnReload::restart,
     .help = "number of event-loop threads", .example = "4"},
    {.key = "drain_time", .place = at<&C::drain_time>, .range = {0ms, 1h}, .flag = "--drain-time",
     .help = "maximum duration of a stop (SIGTERM); 0s: at once",
     .more = "Within it, received bytes are delivered and the sink writes what waits.", .example = "10s"},
    {.key = "closed_history", .place = at<&C::closed_history>, .range = {0, 10'000'000}, .zero = "none",
     .reload = OnReload::restart,
     .help = "number of closed connections kept for /v1/closed", .example = "100000"},

    {.section = Section::listener, .key = "name", .place = at<&L::name>, .form = "1 to 64 of A-Z a-z 0-9 _ . -, unique",
     .effect = "a listener with a new name is added, and the one with the old name is removed: its connections are drained",
     .help = "name of the listener in events and metrics", .example = "meters"},
    {.section = Section::listener, .key = "address", .place = at<&L::address>, .form = "ADDRESS:PORT, fd:NUMBER or fd:NAME",
     .flag = "--listen", .waits = socket_switches,
     .effect = "at once, for new connections, and living ones stay; with `fd:` it needs a restart",
     .help = "address and port for devices; \"[::]:7000\": IPv4 and IPv6 of every interface",
     .more = "Port 0 lets the kernel choose. `fd:3` is a listening TCP socket that the gateway inherits as that descriptor, and `fd:NAME` "
             "one that systemd passes with that `FileDescriptorName=` ([socket activation](../tasks/inherit-sockets.md)).",
     .example = "[::]:7000"},
    {.section = Section::listener, .key = "framing", .place = at<&L::framing>, .flag = "--framing", .reload = OnReload::restart,
     .help = "framing of items: one per line, one after another, or with a length in front",
     .more = "`length` is 4 bytes, big-endian, before each item. `length-field` is a header of a binary protocol, as the "
             "length_field options describe it.", .example = "json"},
    {.section = Section::listener, .key = "length_field_offset", .place = at<&L::length_field, &LengthField::offset>,
     .range = {0, max_header - 1}, .reload = OnReload::restart,
     .help = "number of bytes before the length, of framing length-field", .example = "4"},
    {.section = Section::listener, .key = "length_field_width", .place = at<&L::length_field, &LengthField::width>,
     .range = {1, 8}, .reload = OnReload::restart,
     .help = "number of bytes of the length: 1, 2, 3, 4 or 8", .example = "4"},
    {.section = Section::listener, .key = "length_field_order", .place = at<&L::length_field, &LengthField::order>,
     .reload = OnReload::restart,
     .help = "order of the bytes of the length", .example = "little"},
    {.section = Section::listener, .key = "length_field_adjustment",
     .place = at<&L::length_field, &LengthField::adjustment>, .range = {-max_adjustment, max_adjustment},
     .reload = OnReload::restart,
     .help = "number added to the length to get the bytes behind it",
     .more = "Negative where the length counts bytes of the header, too; positive where it leaves out a checksum.",
     .example = "-6"},
    {.section = Section::listener, .key = "length_field_strip", .place = at<&L::length_field, &LengthField::strip>,
     .range = {0, max_header}, .reload = OnReload::restart,
     .help = "number of bytes at the front of a frame that are no part of the item", .example = "2"},
    {.section = Section::listener, .key = "payload", .place = at<&L::payload>, .reload = OnReload::restart,
     .help = "content of an item: a JSON object, or text or bytes, which are strings in events",
     .more = "`text` is UTF-8, `base64` any bytes. Their key is the device's id, or else its address.",
     .example = "base64"},
    {.section = Section::listener, .key = "delimiter", .place = at<&L::delimiter>, .form = "1 to 8 bytes",
     .reload = OnReload::restart, .shown = printable,
     .help = "bytes that end an item of framing ndjson; empty: a line end, LF or CRLF",
     .more = "White space around an item is no part of it. An item must not contain the delimiter.", .example = "\\u0000"},
    {.section = Section::listener, .key = "arrays", .place = at<&L::arrays>, .effect = now_and_living,
     .help = "top-level arrays as batches: each element is an item", .example = "true"},
    {.section = Section::listener, .key = "oversize", .place = at<&L::oversize>, .effect = now_and_living,
     .help = "consequence of an item above item.max_bytes: a close, or the item's drop",
     .more = "A dropped item counts as a bad item, `too_large`. The connection ends after `max_bad_items` in a row.",
     .example = "drop"},
    {.section = Section::listener, .key = "detect_within", .place = at<&L::detect_within>,
     .range = {min_detect_within, max_detect_within}, .explained = true, .flag = "--detect-within",
     .effect = "at once for new connections, within about the new value for living ones. Their socket options are set and "
               "read back; quiet ones are probed first",
     .help = "maximum time until a silent peer is found and its connection closed",
     .more = "All timers of liveness follow from it: `holdfast plan` prints them.", .example = "1m"},
    {.section = Section::listener, .key = "read_idle", .place = at<&L::read_idle>, .range = {1s, 720h}, .unset = "off",
     .flag = "--read-idle", .effect = "at once, for living connections too; earlier time does not count",
     .help = "maximum time without a complete item before a close; \"off\": none",
     .more = "Use \"off\" for devices that may stay quiet.", .example = "off"},
    {.section = Section::listener, .key = "write_stall", .place = at<&L::write_stall>, .range = {1s, 24h},
     .unset = "detect_within", .flag = "--write-stall", .effect = now_and_living,
     .help = "maximum time with a zero window of a peer that answers before a close", .example = "2m"},
    {.section = Section::listener, .key = "item_deadline", .place = at<&L::item_deadline>, .range = {100ms, 24h},
     .flag = "--item-deadline", .effect = "at once, for living connections too; earlier time does not count",
     .help = "maximum time from the first byte of an item to its last before a close", .example = "10s"},
    {.section = Section::listener, .key = "half_close", .place = at<&L::half_close>, .range = {1s, 24h}, .unset = "off",
     .effect = "at once, for the next FIN of a device",
     .help = "time of sending to a device after its FIN; \"off\": until its answers are sent",
     .more = "The connection ends earlier if the gateway closes it or the device vanishes.", .example = "5m"},
    {.section = Section::listener, .key = "max_bad_items", .place = at<&L::max_bad_items>, .range = {1, 65'535},
     .flag = "--max-bad-items", .effect = now_and_living,
     .help = "number of consecutive bad items that closes a connection", .example = "10"},
    {.section = Section::listener, .key = "backlog", .place = at<&L::backlog>, .range = {1, 65'535},
     .help = "length of the kernel's accept queue; net.core.somaxconn caps it", .example = "16384"},
    {.section = Section::listener, .key = "reuse_port", .place = at<&L::reuse_port>, .flag = "--reuse-port",
     .reload = OnReload::restart,
     .help = "sharing of the address by several gateway processes", .example = "true"},
    {.section = Section::listener, .key = "acks", .place = at<&L::acks>, .flag = "--acks",
     .effect = "at once, for the next hello of a connection; a session that has begun keeps its acks. Together with the "
               "change to a durable sink it needs a restart",
     .help = "acknowledgements to devices for safe items; sink spool or nats only",
     .more = "docs/reference/protocol.md describes them.", .example = "true"},
    {.section = Section::listener, .key = "tokens_file", .place = at<&L::tokens_file>,
     .form = "path of a file that `holdfast token` writes",
     .effect = "at once; living connections whose token was revoked end as `kicked`. The file is read at each reload; a "
               "wrong file rejects the whole reload",
     .secret = true,
     .help = "file of hashed device tokens; only a hello with the token of its id is admitted",
     .example = "/etc/holdfast/tokens"},
    {.section = Section::listener, .key = "proxy_protocol", .place = at<&L::proxy_protocol>, .reload = OnReload::restart,
     .help = "version of the PROXY header before each connection; never guessed",
     .more = "`trusted_proxies` names the proxies.", .example = "v2"},
    {.section = Section::listener, .key = "trusted_proxies", .place = at<&L::trusted_proxies>,
     .form = "addresses and prefixes", .waits = proxy_protocol_switches,
     .effect = "at once, for new connections; together with another `proxy_protocol` it needs a restart",
     .help = "addresses of the proxies, the only peers that are admitted then", .example = "10.0.0.0/8,192.0.2.7"},
    {.section = Section::listener, .key = "tls_certificate", .place = at<&L::tls, &TlsConfig::certificate>, .form = pem,
     .waits = tls_switches, .effect = files_again,
     .help = "certificate chain of the listener, TLS 1.2 and 1.3; empty: plain TCP",
     .example = "/etc/holdfast/gateway.pem"},
    {.section = Section::listener, .key = "tls_key", .place = at<&L::tls, &TlsConfig::key>, .form = pem,
     .waits = tls_switches, .effect = files_again, .secret = true,
     .help = "private key of tls_certificate; rejected if world-readable", .example = "/etc/holdfast/gateway.key"},
    {.section = Section::listener, .key = "tls_client", .place = at<&L::tls, &TlsConfig::client>, .waits = tls_switches,
     .effect = rules_again, .help = "device certificates: not requested, optional or required", .example = "required"},
    {.section = Section::listener, .key = "tls_client_ca", .place = at<&L::tls, &TlsConfig::client_ca>, .form = pem,
     .waits = tls_switches, .effect = rules_again, .help = "authorities that sign device certificates",
     .example = "/etc/holdfast/devices-ca.pem"},
    {.section = Section::listener, .key = "tls_client_crl", .place = at<&L::tls, &TlsConfig::client_crl>, .form = pem,
     .waits = tls_switches, .effect = rules_again, .help = "revocation lists of these authorities; empty: none",
     .example = "/etc/holdfast/devices.crl"},
    {.section = Section::listener, .key = "tls_id", .place = at<&L::tls, &TlsConfig::id>, .waits = tls_switches,
     .effect = rules_again, .help = "name in a device certificate that is the device's id; exactly one",
     .example = "san:dns"},
    {.section = Section::listener, .key = "ids_file", .place = at<&L::tls, &TlsConfig::ids_file>,
     .form = "path of a file with one id a line", .waits = tls_switches, .effect = rules_again,
     .help = "ids that are admitted by certificate; empty: every signed one", .example = "/etc/holdfast/ids"},

    {.section = Section::item, .key = "key", .place = at<&C::item, &ItemConfig::key>, .form = "up to 255 bytes",
     .flag = "--key", .reload = OnReload::restart,
     .help = "field that identifies an item; with dots a path; empty: the device's id",
     .more = "The name matches without regard to case. `device.id` is the field `id` of the object `device`, unless an item "
             "has a field `device.id` itself. With an empty key, an item of a device without id is a bad item, `no_key`.",
     .example = "serial"},
    {.section = Section::item, .key = "numeric_key", .place = at<&C::item, &ItemConfig::numeric_key>,
     .reload = OnReload::restart, .help = "64-bit integers as keys, beside texts", .example = "true"},
    {.section = Section::item, .key = "lone_surrogates", .place = at<&C::item, &ItemConfig::lone_surrogates>,
     .reload = OnReload::restart, .help = "escapes of half a surrogate pair: a bad item, or replaced by \\ufffd",
     .more = "RFC 8259 allows `\\ud800` alone; it has no UTF-8 form, and many parsers reject it.", .example = "replace"},
    {.section = Section::item, .key = "max_bytes", .place = bytes_at<&C::item, &ItemConfig::max_bytes>,
     .range = {16, mib}, .flag = "--max-item-bytes", .reload = OnReload::restart,
     .help = "maximum size of an item; `oversize` decides about a larger one", .example = "4KiB"},
    {.section = Section::item, .key = "max_depth", .place = at<&C::item, &ItemConfig::max_depth>, .range = {1, 1'024},
     .reload = OnReload::restart, .help = "maximum depth of nested objects and arrays in an item", .example = "16"},

    {.section = Section::limits, .key = "max_connections", .place = at<&C::limits, &LimitsConfig::max_connections>,
     .range = connections, .zero = "what the descriptor limit allows", .flag = "--max-connections",
     .effect = "at once; living connections stay",
     .help = "maximum number of connections; 0: the descriptor limit minus a reserve", .example = "100000"},
    {.section = Section::limits, .key = "downlink_queue", .place = bytes_at<&C::limits, &LimitsConfig::downlink_queue>,
     .range = {kib, 64 * mib}, .effect = now_and_living,
     .help = "bytes queued for one device beyond the kernel's buffer; more is refused", .example = "256KiB"},
    {.section = Section::limits, .key = "max_connections_per_peer",
     .place = at<&C::limits, &LimitsConfig::max_connections_per_peer>, .range = connections, .zero = "no limit",
     .effect = "for new connections; connections from a time without this limit do not count",
     .help = "maximum number of connections of one IPv4 address or IPv6 /64", .example = "16"},
    {.section = Section::limits, .key = "max_connections_per_prefix",
     .place = at<&C::limits, &LimitsConfig::max_connections_per_prefix>, .range = connections, .zero = "no limit",
     .effect = "for new connections; connections from a time without this limit do not count",
     .help = "maximum number of connections of one IPv4 /24 or IPv6 /48", .example = "1000"},
    {.section = Section::limits, .key = "accept_rate", .place = at<&C::limits, &LimitsConfig::accept_rate>,
     .range = {0, 1'000'000}, .zero = "no limit",
     .help = "maximum accepts per second of all listeners; sources take turns", .example = "5000"},
    {.section = Section::limits, .key = "buffer_budget", .place = bytes_at<&C::limits, &LimitsConfig::buffer_budget>,
     .range = {0, tib}, .zero = "no limit", .effect = "at once; living connections stay",
     .help = "maximum memory for unfinished items, downlink queues and TLS sessions",
     .more = "A TLS session counts 14 KiB, 24 with the device's certificate, 48 in the handshake. Near the limit the largest "
             "items are not read. Then connections that hold unfinished bytes end as `shed`: unauthenticated ones first, "
             "then those of the sources that hold most. At least 16 times `max_bytes` of `[item]`.",
     .example = "1GiB"},
    {.section = Section::limits, .key = "items_per_second", .place = at<&C::limits, &LimitsConfig::items_per_second>,
     .range = {0, tib}, .zero = "no limit", .reload = OnReload::restart,
     .help = "maximum items per second of one connection; the rest waits in the kernel", .example = "100"},
    {.section = Section::limits, .key = "bytes_per_second", .place = bytes_at<&C::limits, &LimitsConfig::bytes_per_second>,
     .range = {0, tib}, .zero = "no limit", .reload = OnReload::restart,
     .help = "maximum bytes per second of one connection; the rest waits in the kernel", .example = "64KiB"},
    {.section = Section::limits, .key = "max_handshakes", .place = at<&C::limits, &LimitsConfig::max_handshakes>,
     .range = connections, .zero = "no limit",
     .help = "maximum number of TLS handshakes in progress; beyond it, some are refused",
     .more = "The source with most handshakes is refused first.", .example = "4096"},
});
// clang-format on

}  // namespace

std::span<const Option> detail::rows_of_server() { return server_rows; }

std::span<const Option> server_options() { return all_options().first(server_rows.size()); }

}  // namespace holdfast
