#include "fleet/record.h"

#include <simdjson.h>

#include "codec/event_writer.h"
#include "text/hex.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

using simdjson::dom::element;

std::optional<std::string> text_of(const element& object, std::string_view name) {
    std::string_view text;
    if (object[name].get(text)) return std::nullopt;
    return std::string(text);
}

std::uint64_t count_of(const element& object, std::string_view name) {
    std::uint64_t count = 0;
    if (object[name].get(count)) return 0;
    return count;
}

bool is_true(const element& object, std::string_view name) {
    bool value = false;
    return !object[name].get(value) && value;
}

/// Reads milliseconds since 1970: exact, and fast to parse.
WallTime time_of(const element& object, std::string_view name) {
    std::int64_t milliseconds = 0;
    if (object[name].get(milliseconds)) return {};
    return WallTime(std::chrono::milliseconds(milliseconds));
}

std::optional<std::uint32_t> run_of(const element& object) {
    const auto text = text_of(object, "run");
    if (!text) return std::nullopt;
    return parse_hex<std::uint32_t>(*text);
}

}  // namespace

std::string time_text(WallTime at) {
    std::string text;
    append_time(text, at);
    return text;
}

std::string to_json(const PresenceRecord& record) {
    JsonWriter json;
    json.begin_object().field("gateway", record.gateway).field("run", to_hex(record.run));
    json.field("conn", to_string(record.conn)).field("peer", to_string(record.peer)).field("listener", record.listener);
    json.field("state", record.online ? "online" : "closed").field("since_ms", record.since.time_since_epoch().count());
    if (record.accepted != WallTime{}) json.field("accepted_ms", record.accepted.time_since_epoch().count());
    const bool authenticated = record.identity == Identity::authenticated;
    json.field("authenticated", authenticated);
    if (authenticated) json.field("proved", true);  // the word of older gateways, which read nothing else
    if (!record.online) {
        json.key("reason");
        record.reason ? json.value(to_string(*record.reason)) : json.null();
        json.field("closed_ms", record.closed_at.time_since_epoch().count());
    }
    if (!record.by.empty()) json.field("by", record.by);
    json.end_object();
    return json.take();
}

std::optional<PresenceRecord> read_presence(std::string_view text) {
    simdjson::dom::parser parser;
    element json;
    if (parser.parse(text.data(), text.size()).get(json) || !json.is_object()) return std::nullopt;
    const auto gateway = text_of(json, "gateway");
    const auto run = run_of(json);
    const auto conn = parse_connection_id(text_of(json, "conn").value_or(""));
    const auto peer = parse_endpoint(text_of(json, "peer").value_or(""));
    const auto state = text_of(json, "state");
    if (!gateway || !run || !conn || !peer || !state) return std::nullopt;
    PresenceRecord record;
    record.gateway = *gateway;
    record.run = *run;
    record.conn = *conn;
    record.peer = peer.value();
    record.listener = text_of(json, "listener").value_or("");
    record.since = time_of(json, "since_ms");
    record.accepted = time_of(json, "accepted_ms");
    record.online = *state == "online";
    record.identity = identity_of(is_true(json, "authenticated") || is_true(json, "proved"));
    record.reason = parse_close_reason(text_of(json, "reason").value_or(""));
    record.closed_at = time_of(json, "closed_ms");
    record.by = text_of(json, "by").value_or("");
    return record;
}

std::string to_json(const GatewayRecord& record) {
    JsonWriter json;
    json.begin_object().field("gateway", record.name).field("run", to_hex(record.run));
    json.field("state", record.stopped ? "stopped" : "online");
    json.field("since_ms", record.since.time_since_epoch().count())
        .field("at_ms", record.at.time_since_epoch().count());
    json.field("at", time_text(record.at));
    json.field("connections", record.connections).field("devices", record.devices);
    if (!record.spool.empty()) json.field("spool", record.spool);
    if (!record.place.empty()) json.field("place", record.place);
    json.end_object();
    return json.take();
}

std::optional<GatewayRecord> read_gateway(std::string_view text) {
    simdjson::dom::parser parser;
    element json;
    if (parser.parse(text.data(), text.size()).get(json) || !json.is_object()) return std::nullopt;
    const auto name = text_of(json, "gateway");
    const auto run = run_of(json);
    if (!name || name->empty() || !run) return std::nullopt;
    return GatewayRecord{.name = *name,
                         .run = *run,
                         .since = time_of(json, "since_ms"),
                         .at = time_of(json, "at_ms"),
                         .stopped = text_of(json, "state") == "stopped",
                         .connections = count_of(json, "connections"),
                         .devices = count_of(json, "devices"),
                         .spool = text_of(json, "spool").value_or(""),
                         .place = text_of(json, "place").value_or("")};
}

}  // namespace holdfast
