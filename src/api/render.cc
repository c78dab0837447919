#include "api/render.h"

#include "codec/event_fields.h"
#include "codec/event_writer.h"
#include "model/words.h"
#include "text/units.h"

namespace holdfast {
namespace {

/// Writes nothing for a connection without an id.
void write_identity(JsonWriter& json, std::string_view id, std::string_view session) {
    if (!id.empty()) json.field("id", id);
    if (!session.empty()) json.field("session", session);
}

/// Writes nothing for a connection without bad items.
void write_bad_items(JsonWriter& json, const ConnectionRow& row) {
    std::string counts;
    append_bad_item_counts(counts, row.bad_items);
    if (counts.size() > 2) json.key(field::bad_items.name).json(counts);
}

/// Writes nothing for a connection without an id.
void write_proof(JsonWriter& json, std::string_view id, bool authenticated) {
    if (!id.empty()) json.field("authenticated", authenticated);
}

void write_row(JsonWriter& json, const ConnectionRow& row) {
    json.field("conn", to_string(row.conn)).field("listener", row.listener).field("peer", to_string(row.peer));
    write_identity(json, row.id, row.session);
    json.key("key");
    write_or_null(json, row.key);
    json.field("connected_at", render_time(row.connected_at)).field("age_s", as_seconds(row.age));
    json.field("since_item_s", as_seconds(row.since_item)).field("items", row.items);
    write_bad_items(json, row);
    json.field("bytes_in", row.bytes_in).field("bytes_out", row.bytes_out);
    json.field("liveness", to_string(row.liveness));
    if (row.suspect_since) json.field("suspect_since", render_time(*row.suspect_since));
    write_proof(json, row.id, row.authenticated);
}

}  // namespace

std::string render_connections(const ConnectionPage& page) {
    JsonWriter json;
    json.begin_object().field("total", page.total).key("connections").begin_array();
    for (const ConnectionRow& row : page.rows) {
        json.begin_object();
        write_row(json, row);
        json.end_object();
    }
    json.end_array().end_object();
    return json.take();
}

std::string render_connection(const ConnectionDetail& detail) {
    JsonWriter json;
    json.begin_object();
    write_row(json, detail.row);
    json.field("unfinished_item_bytes", detail.unfinished_item_bytes);
    json.field("downlink_queue_bytes", detail.downlink_queue_bytes);
    if (detail.last_bad_item) {
        std::string last;
        append_bad_item(last, *detail.last_bad_item);
        json.key(field::last_bad_item.name).json(last);
    }
    std::string evidence;
    append_evidence(evidence, detail.evidence);
    json.key(field::evidence.name).json(evidence);
    if (!detail.tls_version.empty()) {
        json.key("tls").begin_object().field("version", detail.tls_version).field("cipher", detail.tls_cipher);
        json.field("resumed", detail.tls_resumed).end_object();
    }
    json.field("detect_within_ms", detail.plan.detect_within.count()).key("plan");
    write_plan_object(json, detail.plan);
    json.end_object();
    return json.take();
}

namespace {

/// Escapes U+007F, which event lines keep as one byte: an answer may be printed on a terminal.
void escape_delete(std::string& json) {
    for (auto at = json.find('\x7f'); at != std::string::npos; at = json.find('\x7f', at)) {
        json.replace(at, 1, "\\u007f");
    }
}

}  // namespace

std::string render_life(const ClosedLife& life) {
    std::string row;
    append_closed_life(row, life);
    escape_delete(row);
    return row;
}

std::string render_closed(const ClosedPage& page) {
    JsonWriter json;
    json.begin_object().field("total", page.total).key("closed").begin_array();
    for (const ClosedLife& life : page.lives) json.json(render_life(life));
    json.end_array().end_object();
    return json.take();
}

void write_bad_items(JsonWriter& json, std::string_view name, const std::vector<BadItemRow>& rows) {
    json.key(name).begin_array();
    for (const BadItemRow& each : rows) {
        std::string row;
        append_bad_item_row(row, each);
        escape_delete(row);
        json.json(row);
    }
    json.end_array();
}

std::string render_bad_items(const BadItemPage& page) {
    JsonWriter json;
    json.begin_object().field("total", page.total).field("newest", page.newest).field("left_out", page.left_out);
    write_bad_items(json, field::bad_items.name, page.rows);
    return json.end_object().take();
}

std::string render_probe(const ProbeAnswer& answer, std::string_view device) {
    JsonWriter json;
    json.begin_object();
    if (!device.empty()) json.field("id", device);
    json.field("conn", to_string(answer.conn)).field("alive", answer.alive);
    json.field("waited_ms", answer.waited.count()).field("last_heard_ms", answer.last_heard.count());
    json.field("rtt_us", answer.rtt.count()).end_object();
    return json.take();
}

std::string render_probes(const ProbeSummary& summary) {
    JsonWriter json;
    json.begin_object()
        .field("asked", summary.asked)
        .field("alive", summary.alive)
        .field("silent", summary.silent.size());
    json.key("silent_connections").begin_array();
    for (const ConnectionId id : summary.silent) json.value(to_string(id));
    json.end_array().field("waited_ms", summary.waited.count()).end_object();
    return json.take();
}

std::string render_time(EventTime at) {
    std::string out;
    append_time(out, at);
    return out;
}

void write_plan_object(JsonWriter& json, const LivenessPlan& plan) {
    json.begin_object();
    write_plan_fields(json, plan);
    json.end_object();
}

void write_or_null(JsonWriter& json, std::string_view text) {
    if (text.empty()) {
        json.null();
    } else {
        json.value(text);
    }
}

void write_drain(JsonWriter& json, const DrainStatus& drain) {
    const DrainOrder& order = drain.order;
    json.begin_object().field("state", to_string(drain.state)).field("began_at", render_time(drain.began_at));
    json.field("over", format_duration(order.over)).field("over_ms", order.over.count()).key("peer");
    order.peer ? json.value(to_string(*order.peer)) : json.null();
    json.key("listener");
    order.listener ? json.value(*order.listener) : json.null();
    json.field("goodbye", order.goodbye).field("come_back", to_string(order.come_back));
    json.field("found", drain.found).field("ended", drain.ended).field("gone", drain.gone);
    json.field("left", drain.left()).end_object();
}

}  // namespace holdfast
