#include <unistd.h>

#include "admin/api.h"
#include "admin/downlink_message.h"
#include "admin/metrics.h"
#include "admin/query.h"
#include "admin/render.h"
#include "admin/render_watch.h"
#include "base/json_writer.h"
#include "base/printable.h"
#include "base/units.h"

namespace holdfast {
namespace {

constexpr std::string_view index_text =
    "holdfast admin API\n"
    "\n"
    "GET    /v1                                   this list\n"
    "GET    /healthz                              200 while it works: reactors turn, the sink can write\n"
    "GET    /readyz                               200 while devices are welcome\n"
    "GET    /metrics                              Prometheus metrics\n"
    "GET    /v1/status                            the gateway at a glance\n"
    "GET    /v1/connections                       ?peer= key= id= listener= sort= order= limit= offset=\n"
    "DELETE /v1/connections?peer=PREFIX           closes all of a prefix\n"
    "GET    /v1/connections/{id}                  one, with the kernel's evidence\n"
    "DELETE /v1/connections/{id}                  closes it\n"
    "POST   /v1/connections/{id}/probe            asks whether its peer is there, ?timeout=3s\n"
    "POST   /v1/connections/{id}/messages         sends a JSON object to the device\n"
    "GET    /v1/devices/{id}                      the living connection of a device, by its own id\n"
    "DELETE /v1/devices/{id}                      closes it\n"
    "POST   /v1/devices/{id}/probe                asks whether it is there, ?timeout=3s\n"
    "POST   /v1/devices/{id}/messages             sends it a JSON object and says how far it got, ?wait=300ms\n"
    "POST   /v1/probe?peer=PREFIX                 asks all of a prefix, or ?all=true\n"
    "GET    /v1/closed                            the last lives, ?reason= peer= id= limit= offset=\n"
    "GET    /v1/trend                             the population over time, ?window=1h step=10s listener=\n"
    "GET    /v1/alarms                            what is wrong in the population, and what was\n"
    "GET    /v1/events                            live, server-sent, ?kinds=sample,alarm,connected,closed,item\n"
    "GET    /v1/reconciliation                    registry and kernel compared: the latest\n"
    "POST   /v1/reconciliation                    compares now\n"
    "POST   /v1/drain                             ends connections over a time, {\"over\":\"2m\",\"peer\":PREFIX}\n"
    "GET    /v1/drain                             how far it is\n"
    "DELETE /v1/drain                             cancels it, and puts the gateway back in service\n"
    "POST   /v1/reload                            reads the configuration file anew\n"
    "GET    /v1/fleet                             gateways and devices, ?gateway= id= state= limit= offset=\n"
    "GET    /v1/spool                             events by position, ?after= limit= wait=\n"
    "GET    /v1/spool/groups                      who has read how far\n"
    "POST   /v1/spool/groups/{group}              says how far: {\"position\":N}\n"
    "DELETE /v1/spool/groups/{group}              forgets it\n";

ApiAnswer json(std::string body, int status = 200) { return {.status = status, .body = std::move(body)}; }

ApiAnswer bad_query(const std::string& message) { return Api::error(400, "bad_query", message); }

/// The answer to a request that takes no query parameter and got one.
std::optional<std::string> unexpected_query(const RequestTarget& target) { return QueryReader(target).finish(); }

ApiAnswer no_such_connection(std::string_view id) {
    const bool possible = parse_connection_id(id).has_value();
    const std::string hint = possible ? ": it may have ended, look into /v1/closed" : ": an id looks like 7f2c91a0-1";
    return Api::error(404, "not_found", "there is no connection " + in_quotes(id) + hint);
}

std::string paused_listener(const ServerStatus& status) {
    for (const ListenerStatus& listener : status.listeners) {
        if (listener.accept_paused) return listener.name;
    }
    return {};
}

}  // namespace

ApiAnswer Api::index(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    return {.body = std::string(index_text), .type = "text/plain; charset=utf-8"};
}

ApiAnswer Api::healthz(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    const std::string hanging = options_.hangs ? options_.hangs() : std::string();
    if (!hanging.empty()) return error(503, "hangs", hanging);
    const std::string trouble = options_.sink ? options_.sink().error : std::string();
    if (!trouble.empty()) return error(503, "sink_error", "the sink cannot write: " + trouble);
    return json(R"({"status":"ok"})");
}

ApiAnswer Api::readyz(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    const ServerStatus now = gateway_.status();
    if (now.draining) return error(503, "not_ready", "the gateway is draining: it stops");
    if (now.out_of_service) {
        return error(503, "out_of_service",
                     "an operator has drained the gateway: restart it, or take it back by holdfast drain --cancel");
    }
    const std::string paused = paused_listener(now);
    if (!paused.empty()) {
        return error(
            503, "not_ready",
            "listener " + in_quotes(paused) + " has paused accepting for want of descriptors: raise LimitNOFILE");
    }
    const std::string trouble = options_.sink ? options_.sink().error : std::string();
    if (!trouble.empty()) return error(503, "sink_error", "devices wait: " + trouble);
    const std::string reason = options_.not_ready ? options_.not_ready() : std::string();
    if (!reason.empty()) return error(503, "not_ready", reason);
    return json(R"({"status":"ready"})");
}

ApiAnswer Api::metrics(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    const SinkStatus sink = options_.sink ? options_.sink() : SinkStatus{};
    const auto watch = watched();
    const ProcessStatus process = read_process_status();
    const FleetOverview fleet = options_.fleet != nullptr ? options_.fleet->overview() : FleetOverview{};
    return {.body = render_metrics({.status = gateway_.status(),
                                    .sink = options_.sink ? &sink : nullptr,
                                    .watch = watch ? &*watch : nullptr,
                                    .process = &process,
                                    .admin = options_.meter,
                                    .reloads = options_.reloads,
                                    .fleet = options_.fleet != nullptr ? &fleet : nullptr}),
            .type = "text/plain; version=0.0.4; charset=utf-8"};
}

ApiAnswer Api::status(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    const SinkStatus sink = options_.sink ? options_.sink() : SinkStatus{};
    const auto watch = watched();
    std::string text =
        render_status(gateway_.status(), options_.sink ? &sink : nullptr, ::getpid(), watch ? &*watch : nullptr);
    if (options_.fleet != nullptr) {
        const std::string part =
            JsonWriter().begin_object().field("fleet", options_.fleet->overview().name).end_object().take();
        text.replace(text.size() - 1, 1, "," + part.substr(1));
    }
    if (options_.reloads != nullptr) {
        const std::string part = render_reloads(options_.reloads->figures());
        text.replace(text.size() - 1, 1, "," + part.substr(1));
    }
    return json(std::move(text));
}

ApiAnswer Api::list(const Call& call) {
    QueryReader reader(call.target);
    const ConnectionQuery query = read_connection_query(reader);
    if (const auto wrong = reader.finish()) return bad_query(*wrong);
    return json(render_connections(gateway_.list(query)));
}

ApiAnswer Api::show(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    const auto id = parse_connection_id(call.id);
    const auto detail = id ? gateway_.show(*id) : std::nullopt;
    return detail ? json(render_connection(*detail)) : no_such_connection(call.id);
}

ApiAnswer Api::closed(const Call& call) {
    QueryReader reader(call.target);
    const ClosedQuery query = read_closed_query(reader);
    if (const auto wrong = reader.finish()) return bad_query(*wrong);
    return json(render_closed(gateway_.closed(query)));
}

ApiAnswer Api::close(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    const auto id = parse_connection_id(call.id);
    if (!id || !gateway_.close(*id)) return no_such_connection(call.id);
    return json(JsonWriter().begin_object().field("conn", to_string(*id)).field("closed", true).end_object().take());
}

ApiAnswer Api::close_all(const Call& call) {
    QueryReader reader(call.target);
    const auto peer = reader.prefix("peer");
    if (const auto wrong = reader.finish()) return bad_query(*wrong);
    if (!peer) return bad_query("peer is missing: say which connections to close, e.g. ?peer=10.2.0.0/16");
    return json(JsonWriter().begin_object().field("closed", gateway_.close_all(*peer)).end_object().take());
}

ApiAnswer Api::probe(const Call& call) {
    QueryReader reader(call.target);
    const auto timeout = reader.timeout("timeout");
    if (const auto wrong = reader.finish()) return bad_query(*wrong);
    const auto id = parse_connection_id(call.id);
    if (!id) return no_such_connection(call.id);
    return with_slow_slot("too_many_probes", [&] {
        const auto answer = gateway_.probe(*id, timeout);
        return answer ? json(render_probe(*answer)) : no_such_connection(call.id);
    });
}

ApiAnswer Api::probe_all(const Call& call) {
    QueryReader reader(call.target);
    const auto peer = reader.prefix("peer");
    const bool all = reader.flag("all");
    const auto timeout = reader.timeout("timeout");
    if (const auto wrong = reader.finish()) return bad_query(*wrong);
    if (peer.has_value() == all) {
        return bad_query("say which connections to ask: either ?peer=PREFIX, e.g. ?peer=10.2.0.0/16, or ?all=true");
    }
    return with_slow_slot("too_many_probes", [&] { return json(render_probes(gateway_.probe_all(peer, timeout))); });
}

std::optional<ApiAnswer> Api::too_long(std::string_view body) const {
    if (body.size() <= options_.max_message_bytes) return std::nullopt;
    return error(
        413, "too_large",
        "the message is longer than " + format_size(options_.max_message_bytes) + " (item.max_bytes): send less");
}

ApiAnswer Api::send(const Call& call) {
    if (const auto wrong = unexpected_query(call.target)) return bad_query(*wrong);
    if (auto refusal = too_long(call.body)) return std::move(*refusal);
    const DownlinkMessage message = read_message(call.body);
    if (!message.code.empty()) return error(400, message.code, message.error);
    const auto id = parse_connection_id(call.id);
    const SendOutcome outcome = id ? gateway_.send(*id, message.json) : SendOutcome::no_such_connection;
    if (outcome == SendOutcome::no_such_connection) return no_such_connection(call.id);
    if (outcome == SendOutcome::queue_full) {
        return error(
            429, "queue_full",
            "connection " + to_string(*id) + " has as much waiting as limits.downlink_queue allows: send again later");
    }
    return json(JsonWriter().begin_object().field("conn", to_string(*id)).field("queued", true).end_object().take(),
                202);
}

}  // namespace holdfast
