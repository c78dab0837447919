#include <holdfast/server.h>

#include "api/figures_json.h"
#include "api/render.h"
#include "text/units.h"

namespace holdfast {
namespace {

void write_detection(JsonWriter& json, const LivenessPlan& plan) {
    json.field("detect_within", format_duration(plan.detect_within));
    json.field("detect_within_ms", plan.detect_within.count()).key("plan");
    write_plan_object(json, plan);
}

void write_listener(JsonWriter& json, const ListenerStatus& listener) {
    json.begin_object().field("name", listener.name).field("address", to_string(listener.bound));
    FiguresJson::write(json, listener, listener.tls_good_until.has_value());
    write_detection(json, listener.plan);
    json.end_object();
}

void write_spool(JsonWriter& json, const SpoolStatus& spool) {
    json.key("spool").begin_object().field("id", spool.id);
    if (!spool.path.empty()) json.field("path", spool.path);
    FiguresJson::write(json, spool);
    json.key("groups").begin_array();
    for (const SpoolGroup& group : spool.groups) {
        json.begin_object().field("name", group.name);
        FiguresJson::write(json, group);
        json.end_object();
    }
    json.end_array().end_object();
}

void write_nats(JsonWriter& json, const ForwarderStatus& nats) {
    json.key("nats").begin_object().field("server", nats.server).field("stream", nats.stream);
    FiguresJson::write(json, nats);
    json.end_object();
}

void write_sink(JsonWriter& json, const SinkStatus* sink) {
    json.key("sink");
    if (sink == nullptr) {
        json.null();
        return;
    }
    json.begin_object().field("type", sink->type);
    FiguresJson::write(json, *sink);
    if (sink->spool) write_spool(json, *sink->spool);
    if (sink->nats) write_nats(json, *sink->nats);
    json.end_object();
}

void write_takeover(JsonWriter& json, const Takeover& takeover) {
    json.begin_object().field("processes", takeover.processes).field("kept", takeover.kept);
    json.field("closed", takeover.closed).field("resynchronized", takeover.resynchronized);
    json.field("downtime_ms", takeover.downtime.count()).end_object();
}

}  // namespace

std::string render_status(const ServerStatus& status, const SinkStatus* sink, int pid, const WatchStatus* watch) {
    JsonWriter json;
    json.begin_object().field("version", version()).field("pid", pid);
    json.field("started_at", render_time(status.started_at)).field("uptime_s", as_seconds(status.uptime));
    json.field("reactors", status.reactors).field("max_connections", status.max_connections);
    json.field("draining", status.draining);
    FiguresJson::write(json, status);
    ListenerStatus sum;
    for (const ListenerStatus& listener : status.listeners) add_figures(sum, listener);
    FiguresJson::write(json, sum);
    if (!status.listeners.empty()) write_detection(json, status.listeners.front().plan);
    json.key("turns").begin_array();
    for (const TurnStatus& turns : status.turns) {
        json.begin_object();
        FiguresJson::write(json, turns);
        json.end_object();
    }
    json.end_array();
    if (watch != nullptr) FiguresJson::write(json, *watch);
    write_sink(json, sink);
    json.key("listeners").begin_array();
    for (const ListenerStatus& listener : status.listeners) write_listener(json, listener);
    json.end_array().field("out_of_service", status.out_of_service).key("drain");
    status.drain ? write_drain(json, *status.drain) : void(json.null());
    json.key("takeover");
    status.takeover ? write_takeover(json, *status.takeover) : void(json.null());
    return json.end_object().take();
}

}  // namespace holdfast
