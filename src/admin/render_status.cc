#include <numeric>

#include "admin/render.h"
#include "admin/render_parts.h"
#include "base/units.h"

namespace holdfast {
namespace {

template <typename Numbers>
void add_to(Numbers& sum, const Numbers& more) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
}

/// What all listeners have counted together; its name, address and plan mean nothing.
ListenerStatus sum_of(const std::vector<ListenerStatus>& listeners) {
    ListenerStatus sum;
    for (const ListenerStatus& one : listeners) {
        sum.connections += one.connections;
        sum.suspects += one.suspects;
        sum.suspected += one.suspected;
        sum.recovered += one.recovered;
        sum.accepted += one.accepted;
        sum.opening += one.opening;
        sum.health_checks += one.health_checks;
        add_to(sum.refused, one.refused);
        sum.refused_descriptors += one.refused_descriptors;
        add_to(sum.closed, one.closed);
        sum.items += one.items;
        add_to(sum.bad_items, one.bad_items);
        sum.unfinished_items += one.unfinished_items;
        sum.identified += one.identified;
        sum.acks += one.acks;
        sum.repeated_items += one.repeated_items;
        sum.gaps += one.gaps;
        sum.stale_claims += one.stale_claims;
        sum.delayed_claims += one.delayed_claims;
        sum.accept_waiting += one.accept_waiting;
        sum.bytes_in += one.bytes_in;
        sum.bytes_out += one.bytes_out;
    }
    return sum;
}

void write_counters(JsonWriter& json, const ListenerStatus& counted) {
    json.field("connections", counted.connections).field("accepted", counted.accepted);
    json.field("opening", counted.opening).field("health_checks", counted.health_checks);
    json.field("suspects", counted.suspects);
    json.key("refused").begin_object();
    for (std::size_t limit = 0; limit < refused_by_count; ++limit) {
        json.field(to_string(static_cast<RefusedBy>(limit)), counted.refused[limit]);
    }
    json.field("descriptors", counted.refused_descriptors);
    json.end_object();
    json.key("closed").begin_object();
    for (const CloseReason reason : all_close_reasons) {
        json.field(to_string(reason), counted.closed[static_cast<std::size_t>(reason)]);
    }
    json.end_object().field("items", counted.items);
    json.key("bad_items").begin_object();
    for (std::size_t kind = 0; kind < bad_item_count; ++kind) {
        json.field(to_string(static_cast<BadItem>(kind)), counted.bad_items[kind]);
    }
    json.end_object().field("unfinished_items", counted.unfinished_items);
    json.field("identified", counted.identified).field("acks", counted.acks);
    json.field("repeated_items", counted.repeated_items).field("gaps", counted.gaps);
    json.field("stale_claims", counted.stale_claims).field("delayed_claims", counted.delayed_claims);
    json.field("accept_waiting", counted.accept_waiting);
    json.field("received_bytes", counted.bytes_in).field("sent_bytes", counted.bytes_out);
}

void write_detection(JsonWriter& json, const LivenessPlan& plan) {
    json.field("detect_within", format_duration(plan.detect_within));
    json.field("detect_within_ms", plan.detect_within.count()).key("plan");
    write_plan_object(json, plan);
}

void write_tls(JsonWriter& json, const ListenerStatus& listener) {
    if (!listener.tls_good_until) return;
    json.key("tls").begin_object().field("handshakes", listener.handshakes);
    json.field("full", listener.handshakes_full).field("resumed", listener.handshakes_resumed);
    json.field("failed", listener.handshakes_failed);
    json.field("certificate_good_until", render_time(*listener.tls_good_until)).end_object();
}

void write_listener(JsonWriter& json, const ListenerStatus& listener) {
    json.begin_object().field("name", listener.name).field("address", to_string(listener.bound));
    json.field("accept_paused", listener.accept_paused);
    write_counters(json, listener);
    write_tls(json, listener);
    write_detection(json, listener.plan);
    json.end_object();
}

void write_spool(JsonWriter& json, const SinkStatus::SpoolPart& spool) {
    json.key("spool").begin_object().field("id", spool.id);
    if (!spool.path.empty()) json.field("path", spool.path);
    json.field("first_position", spool.first).field("last_position", spool.last);
    json.field("waiting_bytes", spool.waiting_bytes).field("commits", spool.commits);
    json.field("file_bytes", spool.file_bytes).field("oldest_s", as_seconds(spool.oldest));
    json.field("quarantined_rows", spool.quarantined_rows).field("quarantined_events", spool.quarantined_events);
    json.field("read_errors", spool.read_errors).key("read_error");
    write_or_null(json, spool.read_error);
    json.field("gateway_lost", spool.gateway_lost);
    const SinkStatus::SessionsPart& sessions = spool.sessions;
    json.key("sessions").begin_object().field("authenticated", sessions.authenticated);
    json.field("unauthenticated", sessions.unauthenticated).field("max", sessions.most);
    json.field("evicted_authenticated", sessions.evicted_authenticated);
    json.field("evicted_unauthenticated", sessions.evicted_unauthenticated);
    json.field("replaced", sessions.replaced).end_object();
    json.key("groups").begin_array();
    for (const SinkStatus::GroupPart& group : spool.groups) {
        json.begin_object().field("name", group.name).field("position", group.position);
        json.field("lag_events", group.lag_events).field("required", group.required).end_object();
    }
    json.end_array().end_object();
}

void write_nats(JsonWriter& json, const SinkStatus::NatsPart& nats) {
    json.key("nats").begin_object().field("connected", nats.connected).field("server", nats.server);
    json.field("stream", nats.stream).field("published_position", nats.published);
    json.field("lag_events", nats.lag_events).field("lag_s", as_seconds(nats.lag));
    json.field("reconnects", nats.reconnects).field("retries", nats.retries).field("duplicates", nats.duplicates);
    json.field("dead_letters", nats.dead_letters).field("false_duplicates", nats.false_duplicates);
    json.field("foreign_acks", nats.foreign_acks).field("losses", nats.losses);
    json.field("guarantee", nats.guarantee).key("warning");
    write_or_null(json, nats.warning);
    json.key("error");
    write_or_null(json, nats.error);
    json.end_object();
}

void write_sink(JsonWriter& json, const SinkStatus* sink) {
    json.key("sink");
    if (sink == nullptr) {
        json.null();
        return;
    }
    json.begin_object().field("type", sink->type).field("events", sink->events).field("lag_events", sink->lag_events);
    json.field("bytes", sink->bytes).field("full", sink->full).key("error");
    write_or_null(json, sink->error);
    if (sink->spool) write_spool(json, *sink->spool);
    if (sink->nats) write_nats(json, *sink->nats);
    json.end_object();
}

void write_watch(JsonWriter& json, const WatchStatus& watch) {
    json.field("alarms_active", watch.all_alarms_active()).key("registry_drift");
    if (watch.registry_drift) {
        json.value(*watch.registry_drift);
    } else {
        json.null();
    }
}

void write_turns(JsonWriter& json, const TurnStatus& turns) {
    const auto in_ms = [](std::chrono::microseconds time) {
        return std::chrono::duration<double, std::milli>(time).count();
    };
    json.begin_object().field("longest_ms", in_ms(turns.longest)).field("longest_cpu_ms", in_ms(turns.longest_cpu));
    json.field("long", turns.long_turns).end_object();
}

}  // namespace

std::string render_status(const ServerStatus& status, const SinkStatus* sink, int pid, const WatchStatus* watch) {
    JsonWriter json;
    json.begin_object().field("version", version()).field("pid", pid);
    json.field("started_at", render_time(status.started_at)).field("uptime_s", as_seconds(status.uptime));
    json.field("reactors", status.reactors).field("max_connections", status.max_connections);
    json.field("draining", status.draining).field("reading_paused", status.reading_paused);
    write_counters(json, sum_of(status.listeners));
    if (!status.listeners.empty()) write_detection(json, status.listeners.front().plan);
    json.key("probes")
        .begin_object()
        .field("alive", status.probes_alive)
        .field("silent", status.probes_silent)
        .end_object();
    json.field("events", status.events).field("stale_commands", status.stale_commands);
    json.key("turns").begin_array();
    for (const TurnStatus& turns : status.turns) write_turns(json, turns);
    json.end_array()
        .key("buffers")
        .begin_object()
        .field("bytes", status.buffer_bytes)
        .field("budget", status.buffer_budget)
        .field("stage", status.buffer_stage)
        .field("exhausted", status.memory_exhausted)
        .end_object();
    if (watch != nullptr) write_watch(json, *watch);
    write_sink(json, sink);
    json.key("listeners").begin_array();
    for (const ListenerStatus& listener : status.listeners) write_listener(json, listener);
    json.end_array().field("out_of_service", status.out_of_service).key("drain");
    status.drain ? write_drain(json, *status.drain) : void(json.null());
    return json.end_object().take();
}

}  // namespace holdfast
