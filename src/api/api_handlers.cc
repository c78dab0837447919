#include <unistd.h>

#include "api/api.h"
#include "api/api_endpoint.h"
#include "api/metrics.h"
#include "api/render.h"
#include "model/gateway_faults.h"
#include "text/json_writer.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

ApiAnswer no_such_connection(std::string_view id) {
    const bool possible = parse_connection_id(id).has_value();
    const std::string hint = possible ? "; look for it in /v1/closed" : "; write an id such as 7f2c91a0-1";
    return Api::error(404, "not_found", "unknown connection " + in_quotes(id) + hint);
}

ConnectionQuery read_connection_query(const ApiArguments& given) {
    ConnectionQuery read;
    read.peer = given.get<Prefix>("peer");
    read.key = given.get<std::string>("key");
    read.id = given.get<std::string>("id");
    read.listener = given.get<std::string>("listener");
    read.suspect = given.get<bool>("suspect");
    read.since = given.get<EventTime>("since");
    read.until = given.get<EventTime>("until");
    read.sort = parse_connection_sort(given.value<std::string>("sort")).value_or(read.sort);
    const auto order = given.get<std::string>("order");
    read.reverse = order && (*order == "desc") != descends_by_itself(read.sort);
    read.limit = given.value<std::uint64_t>("limit");
    read.offset = given.value<std::uint64_t>("offset");
    return read;
}

BadItemQuery read_bad_item_query(const ApiArguments& given) {
    BadItemQuery read;
    read.peer = given.get<Prefix>("peer");
    read.id = given.get<std::string>("id");
    read.listener = given.get<std::string>("listener");
    read.since = given.get<EventTime>("since");
    read.until = given.get<EventTime>("until");
    if (const auto word = given.get<std::string>("kind")) read.kind = parse_bad_item(*word);
    read.after = given.get<std::uint64_t>("after").value_or(0);
    read.limit = given.value<std::uint64_t>("limit");
    return read;
}

std::string paused_listener(const ServerStatus& status) {
    for (const ListenerStatus& listener : status.listeners) {
        if (listener.accept_paused) return listener.name;
    }
    return {};
}

}  // namespace

bool descends_by_itself(ConnectionSort sort) noexcept {
    return sort != ConnectionSort::peer && sort != ConnectionSort::key;
}

ApiAnswer Api::index(const ApiCall& /*call*/) {
    return {.body = index_of(endpoints()), .type = "text/plain; charset=utf-8"};
}

ApiAnswer Api::healthz(const ApiCall& /*call*/) {
    const std::string hanging = options_.hangs ? options_.hangs() : std::string();
    if (!hanging.empty()) return error(503, "hangs", hanging);
    const std::string trouble = options_.sink ? options_.sink().error : std::string();
    if (!trouble.empty()) return error(503, "sink_error", sink_fault_text(trouble));
    return json_answer(R"({"status":"ok"})");
}

ApiAnswer Api::readyz(const ApiCall& /*call*/) {
    const ServerStatus now = gateway_.status();
    if (now.draining) return error(503, "not_ready", "the gateway is stopping");
    if (now.out_of_service) {
        return error(503, "out_of_service",
                     "an operator has drained the gateway; restart it, or run holdfast drain --cancel");
    }
    const std::string paused = paused_listener(now);
    if (!paused.empty()) return error(503, "not_ready", accept_paused_text(paused));
    const std::string trouble = options_.sink ? options_.sink().error : std::string();
    if (!trouble.empty()) return error(503, "sink_error", sink_fault_text(trouble));
    const std::string reason = options_.not_ready ? options_.not_ready() : std::string();
    if (!reason.empty()) return error(503, "not_ready", reason);
    return json_answer(R"({"status":"ready"})");
}

ApiAnswer Api::metrics(const ApiCall& /*call*/) {
    const SinkStatus sink = options_.sink ? options_.sink() : SinkStatus{};
    const auto watch = watched();
    const ProcessStatus process = read_process_status();
    const FleetStatus fleet = options_.fleet != nullptr ? options_.fleet->status() : FleetStatus{};
    return {.body = render_metrics({.status = gateway_.status(),
                                    .sink = options_.sink ? &sink : nullptr,
                                    .watch = watch ? &*watch : nullptr,
                                    .process = &process,
                                    .admin = options_.meter,
                                    .reloads = options_.reloads,
                                    .fleet = options_.fleet != nullptr ? &fleet : nullptr}),
            .type = "text/plain; version=0.0.4; charset=utf-8"};
}

ApiAnswer Api::status(const ApiCall& /*call*/) {
    const SinkStatus sink = options_.sink ? options_.sink() : SinkStatus{};
    const auto watch = watched();
    std::string text =
        render_status(gateway_.status(), options_.sink ? &sink : nullptr, ::getpid(), watch ? &*watch : nullptr);
    if (!options_.first_item.empty()) {
        const std::string part =
            JsonWriter().begin_object().field("first_item_command", options_.first_item).end_object().take();
        text.replace(text.size() - 1, 1, "," + part.substr(1));
    }
    if (options_.fleet != nullptr) {
        const std::string part =
            JsonWriter().begin_object().field("fleet", options_.fleet->status().name).end_object().take();
        text.replace(text.size() - 1, 1, "," + part.substr(1));
    }
    if (options_.reloads != nullptr) {
        const std::string part = render_reloads(options_.reloads->figures());
        text.replace(text.size() - 1, 1, "," + part.substr(1));
    }
    return json_answer(std::move(text));
}

ApiAnswer Api::list(const ApiCall& call) {
    return json_answer(render_connections(gateway_.list(read_connection_query(call.arguments))));
}

ApiAnswer Api::show(const ApiCall& call) {
    const auto id = parse_connection_id(call.id);
    const auto detail = id ? gateway_.show(*id) : std::nullopt;
    return detail ? json_answer(render_connection(*detail)) : no_such_connection(call.id);
}

ApiAnswer Api::closed(const ApiCall& call) {
    const ClosedQuery query = read_closed_query(call.arguments);
    if (!query.id || !options_.lives_elsewhere) return json_answer(render_closed(gateway_.closed(query)));
    JsonWriter json;
    json.begin_object();
    lives_in_fleet(query).write(json, "closed", query.offset, query.limit);
    return json_answer(json.end_object().take());
}

ApiAnswer Api::bad_items(const ApiCall& call) {
    return json_answer(render_bad_items(gateway_.bad_items(read_bad_item_query(call.arguments))));
}

ApiAnswer Api::close(const ApiCall& call) {
    const auto id = parse_connection_id(call.id);
    if (!id || !gateway_.close(*id)) return no_such_connection(call.id);
    return json_answer(
        JsonWriter().begin_object().field("conn", to_string(*id)).field("closed", true).end_object().take());
}

ApiAnswer Api::close_all(const ApiCall& call) {
    const auto peer = call.arguments.value<Prefix>("peer");
    return json_answer(JsonWriter().begin_object().field("closed", gateway_.close_all(peer)).end_object().take());
}

ApiAnswer Api::probe(const ApiCall& call) {
    const auto timeout = call.arguments.value<std::chrono::milliseconds>("timeout");
    const auto id = parse_connection_id(call.id);
    if (!id) return no_such_connection(call.id);
    return with_slow_slot("too_many_probes", [&] {
        const auto answer = gateway_.probe(*id, timeout);
        return answer ? json_answer(render_probe(*answer)) : no_such_connection(call.id);
    });
}

ApiAnswer Api::probe_all(const ApiCall& call) {
    const auto peer = call.arguments.get<Prefix>("peer");
    const bool all = call.arguments.value<bool>("all");
    const auto timeout = call.arguments.value<std::chrono::milliseconds>("timeout");
    if (peer.has_value() == all) {
        return bad_query("no connections are selected; send ?peer=PREFIX, e.g. ?peer=10.2.0.0/16, or ?all=true");
    }
    return with_slow_slot("too_many_probes",
                          [&] { return json_answer(render_probes(gateway_.probe_all(peer, timeout))); });
}

std::optional<ApiAnswer> Api::too_long(std::string_view body) const {
    if (body.size() <= options_.max_message_bytes) return std::nullopt;
    return error(
        413, "too_large",
        "the message is longer than " + format_size(options_.max_message_bytes) + " (item.max_bytes); send less");
}

ApiAnswer Api::unencodable() {
    return error(422, "unencodable",
                 "nothing was sent: the listener's framing has no form for the message; shorten it for the length "
                 "field, or remove the delimiter");
}

ApiAnswer Api::send(const ApiCall& call) {
    const auto id = parse_connection_id(call.id);
    const auto message = id ? gateway_.message_for(*id, call.message) : Result<std::string>(std::string());
    if (!message) return error(400, "wrong_payload", message.error().message);
    const SendOutcome outcome = id ? gateway_.send(*id, message.value()) : SendOutcome::no_such_connection;
    if (outcome == SendOutcome::no_such_connection) return no_such_connection(call.id);
    if (outcome == SendOutcome::queue_full) {
        return error(429, "queue_full",
                     "connection " + to_string(*id) + " has reached limits.downlink_queue; send again later");
    }
    if (outcome == SendOutcome::unencodable) return unencodable();
    return json_answer(
        JsonWriter().begin_object().field("conn", to_string(*id)).field("queued", true).end_object().take(), 202);
}

}  // namespace holdfast
