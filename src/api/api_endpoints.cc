#include <limits>

#include "api/api.h"
#include "api/parameter_kinds.h"
#include "trend/event_hub.h"

namespace holdfast {
namespace {

using namespace parameter;  // NOLINT(google-build-using-namespace)
using Type = Parameter::Type;

constexpr std::uint64_t unlimited = std::numeric_limits<std::size_t>::max();
constexpr std::uint64_t longest_wait_ms = max_probe_timeout.count();
constexpr std::uint64_t two_days_ms = 2ULL * 24 * 3600 * 1000;

std::vector<std::string_view> reason_words() {
    std::vector<std::string_view> words;
    for (const CloseReason reason : all_close_reasons) words.push_back(to_string(reason));
    return words;
}

std::vector<std::string_view> feed_words() {
    std::vector<std::string_view> words;
    for (const FeedKind kind : all_feed_kinds) {
        if (kind != FeedKind::skipped) words.push_back(to_string(kind));
    }
    return words;
}

std::vector<std::string_view> sort_words() {
    return {"age", "idle", "items", "bad_items", "bytes_in", "bytes_out", "peer", "key"};
}
std::vector<std::string_view> bad_item_words() {
    std::vector<std::string_view> words;
    for (std::size_t kind = 0; kind < bad_item_count; ++kind) words.push_back(to_string(static_cast<BadItem>(kind)));
    return words;
}
std::vector<std::string_view> order_words() { return {"asc", "desc"}; }
std::vector<std::string_view> state_words() { return {"online", "unknown", "closed"}; }
std::vector<std::string_view> member_words() { return {"back", "missing"}; }
std::vector<std::string_view> export_words() { return {"csv", "json"}; }
std::vector<std::string_view> come_back_words() { return {"later", "at_once"}; }

// --- parameters

constexpr Parameter filter_peer = prefix("prefix of the peers, e.g. 10.2.0.0/16");
constexpr Parameter scope_peer = prefix("prefix of the peers, e.g. 10.2.0.0/16");
constexpr Parameter device_id = text("id", "DEVICE", "id of the device, or its beginning and a *: shop-*");
constexpr Parameter limit = count("limit", "maximum number of entries, up to 10000", 0, max_page, "100");
constexpr Parameter offset = count("offset", "number of entries to skip", 0, unlimited);
constexpr Parameter timeout = duration("timeout", "maximum time to wait for an answer", 1, longest_wait_ms, "3s");

constexpr Parameter connection_filters[] = {
    filter_peer,
    text("key", "KEY", "key of the latest item"),
    device_id,
    text("listener", "NAME", "name of the listener"),
    boolean("suspect", "suspects only: probed on suspicion and silent since"),
    word("sort", "SORT", sort_words, "sort key: age, idle, items, bad_items, bytes_in, bytes_out, peer or key", "age"),
    switched(word("order", "", order_words, "asc or desc; default: asc for peer and key, else desc"), "--reverse",
             "reversed order"),
    limit,
    offset,
};

constexpr Parameter closed_filters[] = {
    word("reason", "REASON", reason_words, "reason of the close, e.g. keepalive_expired"),
    filter_peer,
    device_id,
    time_bound("since", "closed at this time or later, e.g. 10m ago as 10m"),
    time_bound("until", "closed at this time or earlier"),
    limit,
    offset,
};

constexpr Parameter device_lives[] = {
    time_bound("since", "closed at this time or later, e.g. 10m ago as 10m"),
    time_bound("until", "closed at this time or earlier"),
    limit,
    offset,
};

constexpr Parameter bad_item_filters[] = {
    filter_peer,
    text("id", "DEVICE", "id of the device"),
    text("listener", "NAME", "name of the listener"),
    word("kind", "KIND", bad_item_words, "kind of the bad item, e.g. not_json"),
    count("after", "number of the latest entry that is known", 0, unlimited),
    limit,
};

constexpr Parameter fleet_filters[] = {
    text("gateway", "NAME", "gateway that holds or held the device"),
    word("state", "STATE", state_words, "state: online, unknown or closed"),
    device_id,
    time_bound("since", "connected, or closed, at this time or later"),
    time_bound("until", "connected, or closed, at this time or earlier"),
    limit,
    offset,
};

constexpr Parameter close_scope[] = {required(scope_peer)};
constexpr Parameter probe_timeout[] = {timeout};
constexpr Parameter probe_scope[] = {scope_peer, boolean("all", "all connections"), timeout};
constexpr Parameter delivery[] = {
    duration("wait", "maximum time until the device's kernel acknowledges", 1, longest_wait_ms, "300ms")};

constexpr Parameter prefix_scope[] = {
    prefix("prefix to divide, e.g. 10.0.0.0/8; default: all addresses"),
    duration("window", "time span that ends now, of the counted closes", 1000, two_days_ms, "10m"),
    count("limit", "maximum number of prefixes, up to 10000", 0, max_page, "100"),
};

constexpr Parameter trend_window[] = {
    duration("window", "time span that ends now", 1000, two_days_ms, "1h", Type::seconds),
    duration("step", "time between points; default: the shortest that gives at most 600 points", 1000, two_days_ms, {},
             Type::seconds),
    text("listener", "NAME", "name of the listener; default: the sum of all"),
};

constexpr Parameter member_state =
    word("state", "STATE", member_words, "members that are back or missing; default: all");
constexpr Parameter member_page[] = {member_state, limit, offset};
constexpr Parameter member_export[] = {word("format", "FORMAT", export_words, "format: csv (RFC 4180) or json", "json"),
                                       member_state};
constexpr Parameter acknowledgement_fields[] = {
    required(text("note", "TEXT", "note of at most 500 bytes, e.g. who works on it"))};

constexpr Parameter feed_filters[] = {
    {.name = "kinds",
     .type = Type::words,
     .help = "kinds of events, separated by commas",
     .value = "KINDS",
     .default_value = "sample,alarm,connected,closed",
     .words = feed_words},
    device_id,
    filter_peer,
    text("key", "KEY", "key of the item; of a closed connection, the latest"),
};

constexpr Parameter drain_fields[] = {
    duration("over", "time over which the closes are spread", 0, 0, "2m"),
    filter_peer,
    text("listener", "NAME", "name of the listener"),
    word("come_back", "WHEN", come_back_words,
         "return of the devices; default: later after a drain of all, at_once of a part"),
    switched(boolean("goodbye", "{\"retry_after_ms\":N} is sent before each close", "true"), "--no-goodbye",
             "no {\"retry_after_ms\":N} before the close"),
};

constexpr Parameter spool_page[] = {
    count("after", "position before the first event", 0, unlimited),
    count("limit", "maximum number of entries, up to 10000", 1, max_page, "1000"),
    duration("wait", "maximum time to wait for an event if there is none", 0, longest_wait_ms, "0s"),
};

constexpr Parameter group_fields[] = {
    required(count("position", "new position of the group", 0, unlimited)),
    count("after", "position that the group must have before the move", 0, unlimited),
    text("consumer", "NAME", "name of the consumer; required with `after`"),
};

}  // namespace

const ApiEndpoint Api::table[] = {
    {.method = "GET",
     .path = "/",
     .right = Right::open,
     .help = "dashboard; its files are under /dashboard/",
     .handler = &Api::index,
     .type = "text/html; charset=utf-8"},
    {.method = "GET",
     .path = "/v1",
     .right = Right::read,
     .help = "list of the endpoints, as text",
     .handler = &Api::index,
     .type = "text/plain; charset=utf-8"},
    {.method = "GET",
     .path = "/healthz",
     .right = Right::open,
     .help = "200 while every reactor turns and the sink can write",
     .handler = &Api::healthz,
     .errors = "hangs sink_error",
     .example = R"({"status":"ok"})"},
    {.method = "GET",
     .path = "/readyz",
     .right = Right::open,
     .help = "200 while the gateway accepts devices",
     .handler = &Api::readyz,
     .errors = "not_ready out_of_service sink_error",
     .example = R"({"status":"ready"})"},
    {.method = "GET",
     .path = "/metrics",
     .right = Right::read,
     .help = "Prometheus metrics",
     .handler = &Api::metrics,
     .type = "text/plain; version=0.0.4; charset=utf-8"},
    {.method = "GET",
     .path = api_path::status,
     .right = Right::read,
     .help = "state of the gateway",
     .handler = &Api::status,
     .verb = "status"},
    {.method = "GET",
     .path = api_path::connections,
     .right = Right::read,
     .help = "connections, filtered, sorted and paged",
     .handler = &Api::list,
     .parameters = connection_filters,
     .example =
         R"({"total":4100,"connections":[{"conn":"7f2c91a0-1","listener":"devices","peer":"10.2.0.9:51514","key":"10.20.30.40","connected_at":"2026-11-22T08:00:00.123Z","age_s":61.4,"since_item_s":0.4,"items":17,"bytes_in":833,"bytes_out":0,"liveness":"device"}]})",
     .verb = "list"},
    {.method = "DELETE",
     .path = api_path::connections,
     .right = Right::control,
     .help = "closes all connections of a prefix",
     .handler = &Api::close_all,
     .parameters = close_scope,
     .example = R"({"closed":4100})",
     .verb = "close"},
    {.method = "GET",
     .path = api_path::connection,
     .right = Right::read,
     .help = "a connection, with the kernel's evidence",
     .handler = &Api::show,
     .verb = "show"},
    {.method = "DELETE",
     .path = api_path::connection,
     .right = Right::control,
     .help = "closes the connection",
     .handler = &Api::close,
     .example = R"({"conn":"7f2c91a0-1","closed":true})",
     .verb = "close"},
    {.method = "POST",
     .path = api_path::connection_probe,
     .right = Right::control,
     .help = "probes the peer now",
     .handler = &Api::probe,
     .parameters = probe_timeout,
     .errors = "too_many_probes",
     .example = R"({"conn":"7f2c91a0-1","alive":true,"waited_ms":3,"last_heard_ms":0,"rtt_us":310})",
     .verb = "probe"},
    {.method = "POST",
     .path = api_path::connection_messages,
     .right = Right::control,
     .help = "sends a JSON object to the device",
     .handler = &Api::send,
     .body = ApiEndpoint::Body::any_object,
     .answers = "202",
     .errors = "not_json not_object queue_full",
     .example = R"({"conn":"7f2c91a0-1","queued":true})",
     .verb = "send"},
    {.method = "GET",
     .path = api_path::device,
     .right = Right::read,
     .help = "a device: its state, its connection, and its earlier connections at all gateways",
     .handler = &Api::device,
     .parameters = device_lives,
     .verb = "device"},
    {.method = "DELETE",
     .path = api_path::device,
     .right = Right::control,
     .help = "closes the device's connection",
     .handler = &Api::device_close,
     .errors = "gateway_silent too_busy",
     .example = R"({"id":"device-17","conn":"7f2c91a0-1","closed":true})",
     .verb = "close"},
    {.method = "POST",
     .path = api_path::device_probe,
     .right = Right::control,
     .help = "probes the device now",
     .handler = &Api::device_probe,
     .parameters = probe_timeout,
     .errors = "too_many_probes gateway_silent too_busy",
     .example = R"({"id":"device-17","conn":"7f2c91a0-1","alive":true,"waited_ms":3,"last_heard_ms":0,"rtt_us":310})",
     .verb = "probe"},
    {.method = "POST",
     .path = api_path::device_messages,
     .right = Right::control,
     .help = "sends a JSON object to the device and waits for its delivery",
     .handler = &Api::device_send,
     .parameters = delivery,
     .body = ApiEndpoint::Body::any_object,
     .answers = "200 202",
     .errors = "not_json not_object queue_full gateway_silent too_busy",
     .example = R"({"id":"device-17","conn":"7f2c91a0-1","result":"acked"})",
     .verb = "send"},
    {.method = "POST",
     .path = api_path::probe,
     .right = Right::control,
     .help = "probes all peers of a prefix, or all",
     .handler = &Api::probe_all,
     .parameters = probe_scope,
     .errors = "too_many_probes",
     .example = R"({"asked":4100,"alive":4099,"silent":1,"silent_connections":["7f2c91a0-1f"],"waited_ms":3004})",
     .verb = "probe"},
    {.method = "GET",
     .path = api_path::closed,
     .right = Right::read,
     .help = "recently closed connections, with reason and evidence",
     .handler = &Api::closed,
     .parameters = closed_filters,
     .verb = "closed"},
    {.method = "GET",
     .path = api_path::prefixes,
     .right = Right::read,
     .help = "connections, suspects and closes by prefix of the peers",
     .handler = &Api::prefixes,
     .parameters = prefix_scope,
     .example =
         R"({"peer":null,"closed_since":"2026-11-22T08:00:00.123Z","total":1,"connections":4100,"suspects":0,"closed":3,"reasons":{"peer_reset":3},"prefixes":[{"prefix":"10.2.0.0/16","connections":4100,"suspects":0,"closed":3,"reasons":{"peer_reset":3}}]})",
     .verb = "prefixes"},
    {.method = "GET",
     .path = api_path::bad_items,
     .right = Right::read,
     .help = "recent bad items, newest first, with their first bytes",
     .handler = &Api::bad_items,
     .parameters = bad_item_filters,
     .example =
         R"({"newest":17,"left_out":0,"bad_items":[{"number":17,"conn":"7f2c91a0-1","listener":"devices","peer":"10.2.0.9:51514","kind":"not_json","position":49,"bytes":5,"head":"hello","at":"2026-11-22T08:00:00.123Z"}]})",
     .verb = "bad"},
    {.method = "GET",
     .path = api_path::trend,
     .right = Right::read,
     .help = "the population over time",
     .handler = &Api::trend,
     .parameters = trend_window,
     .example =
         R"({"window_s":600,"step_s":10,"points":[{"at":"2026-11-22T08:00:00.000Z","connections":9,"fewest":8,"most":9,"accepted":2,"refused":0,"closed":{},"items":5,"bad_items":0}]})",
     .verb = "trend"},
    {.method = "GET",
     .path = api_path::alarms,
     .right = Right::read,
     .help = "active and cleared alarms",
     .handler = &Api::alarms,
     .example = R"({"active":[],"recent":[]})",
     .verb = "alarms"},
    {.method = "GET",
     .path = api_path::alarm,
     .right = Right::read,
     .help = "an alarm with its members: the connections that it is about",
     .handler = &Api::alarm,
     .parameters = member_page,
     .verb = "alarms"},
    {.method = "GET",
     .path = api_path::alarm_members,
     .right = Right::read,
     .help = "all members of an alarm, as a file",
     .handler = &Api::alarm_members,
     .parameters = member_export,
     .verb = "alarms"},
    {.method = "POST",
     .path = api_path::alarm_acknowledgement,
     .right = Right::control,
     .help = "acknowledges an alarm: the webhook does not repeat it",
     .handler = &Api::acknowledge,
     .body = ApiEndpoint::Body::fields,
     .fields = acknowledgement_fields,
     .body_error = "bad_order",
     .example = R"({"id":3,"acknowledged":true})",
     .verb = "alarms"},
    {.method = "DELETE",
     .path = api_path::alarm_acknowledgement,
     .right = Right::control,
     .help = "withdraws the acknowledgement of an alarm",
     .handler = &Api::withdraw_acknowledgement,
     .example = R"({"id":3,"acknowledged":false})",
     .verb = "alarms"},
    {.method = "GET",
     .path = api_path::events,
     .right = Right::read,
     .help = "live feed: server-sent events; id, peer and key select events of connections",
     .handler = &Api::events,
     .parameters = feed_filters,
     .type = "text/event-stream",
     .verb = "tail"},
    {.method = "GET",
     .path = api_path::reconciliation,
     .right = Right::read,
     .help = "latest comparison of registry and kernel",
     .handler = &Api::reconciliation,
     .example =
         R"({"at":"2026-11-22T08:00:00.123Z","took_ms":130,"registry":12345,"kernel":12345,"drift":1,"ghosts":0,"orphans":1,"stuck_close_wait":0,"examples":[{"kind":"orphan","listener":"devices","peer":"10.2.0.9:51514","conn":null,"descriptor":17}],"error":null})"},
    {.method = "POST",
     .path = api_path::reconciliation,
     .right = Right::control,
     .help = "compares registry and kernel now",
     .handler = &Api::reconcile,
     .errors = "too_busy",
     .verb = "doctor"},
    {.method = "GET",
     .path = api_path::drain,
     .right = Right::read,
     .help = "progress of the latest drain",
     .handler = &Api::show_drain,
     .example =
         R"({"out_of_service":true,"drain":{"state":"running","began_at":"2026-11-22T08:00:00.123Z","over":"2m","over_ms":120000,"peer":null,"listener":null,"goodbye":true,"come_back":"later","found":0,"ended":0,"gone":0,"left":0}})",
     .verb = "drain --status"},
    {.method = "POST",
     .path = api_path::drain,
     .right = Right::control,
     .help = "ends connections, spread over a time",
     .handler = &Api::drain,
     .body = ApiEndpoint::Body::fields,
     .fields = drain_fields,
     .body_error = "bad_order",
     .answers = "202",
     .errors = "refused",
     .verb = "drain"},
    {.method = "DELETE",
     .path = api_path::drain,
     .right = Right::control,
     .help = "cancels the drain and returns the gateway to service",
     .handler = &Api::cancel_drain,
     .verb = "drain --cancel"},
    {.method = "POST",
     .path = api_path::reload,
     .right = Right::control,
     .help = "applies the configuration file again",
     .handler = &Api::reload,
     .errors = "no_reload bad_config too_busy",
     .example =
         R"({"applied":["listener devices: detect_within is now 20s"],"needs_restart":["reactors"],"warnings":[]})",
     .verb = "reload"},
    {.method = "GET",
     .path = api_path::fleet,
     .right = Right::read,
     .help = "gateways of the fleet and their devices",
     .handler = &Api::fleet,
     .parameters = fleet_filters,
     .errors = "no_fleet",
     .verb = "list --fleet"},
    {.method = "GET",
     .path = api_path::spool,
     .right = Right::read,
     .help = "events by position; waits for new ones",
     .handler = &Api::spool,
     .parameters = spool_page,
     .errors = "no_spool spool_error too_many_waiting",
     .verb = "consume"},
    {.method = "GET",
     .path = api_path::spool_groups,
     .right = Right::read,
     .help = "position of each group",
     .handler = &Api::spool_groups,
     .errors = "no_spool",
     .example =
         R"({"newest":43,"groups":[{"name":"billing","position":40,"lag_events":3,"required":false,"moved_at":"2026-11-22T08:00:00.123Z"}]})"},
    {.method = "POST",
     .path = api_path::spool_group,
     .right = Right::control,
     .help = "moves a group, or creates it",
     .handler = &Api::move_spool_group,
     .body = ApiEndpoint::Body::fields,
     .fields = group_fields,
     .body_error = "not_object",
     .errors = "no_spool spool_error beyond_newest group_moved",
     .example = R"({"name":"billing","position":43})",
     .verb = "consume"},
    {.method = "DELETE",
     .path = api_path::spool_group,
     .right = Right::control,
     .help = "removes a group",
     .handler = &Api::remove_spool_group,
     .errors = "no_spool spool_error required",
     .example = R"({"name":"billing","removed":true})"},
};

std::span<const ApiEndpoint> Api::endpoints() { return table; }

}  // namespace holdfast
