#include <simdjson.h>

#include "api/api.h"
#include "api/render.h"
#include "model/identity.h"
#include "text/json_writer.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

ApiAnswer no_such_device(std::string_view device) {
    return Api::error(
        404, "not_found",
        "no device " + in_quotes(device) + " is connected; look it up with holdfast device ID or GET /v1/devices/{id}");
}

ApiAnswer unknown_device(std::string_view device, bool is_in_fleet) {
    return Api::error(404, "not_found",
                      "device " + in_quotes(device) + " is unknown: " +
                          (is_in_fleet ? "no gateway of the fleet has a connection" : "the gateway has no connection") +
                          " of it, open or closed; check the id (holdfast list, GET /v1/connections)");
}

ApiAnswer delivery_answer(std::string_view device, ConnectionId conn, Delivery outcome) {
    if (outcome == Delivery::absent) return no_such_device(device);
    if (outcome == Delivery::queue_full) {
        return Api::error(429, "queue_full",
                          "device " + in_quotes(device) + " has reached limits.downlink_queue; send again later");
    }
    if (outcome == Delivery::unencodable) return Api::unencodable();
    JsonWriter out;
    out.begin_object().field("id", device).field("conn", to_string(conn)).field("result", to_string(outcome));
    return json_answer(out.end_object().take(), outcome == Delivery::acked ? 200 : 202);
}

}  // namespace

std::optional<ConnectionId> Api::find_here(std::string_view device) {
    return options_.find_here ? options_.find_here(std::string(device)) : gateway_.find(device);
}

ApiAnswer Api::elsewhere(const DeviceQuestion& question) {
    if (options_.elsewhere) {
        if (auto answer = options_.elsewhere(question)) return std::move(*answer);
    }
    return no_such_device(question.device);
}

/// Returns the closed connections of a device, or of ids with a common beginning, at all gateways. The rows are those
/// of the first `offset` + `limit`.
Lives Api::lives_in_fleet(ClosedQuery query) {
    constexpr std::size_t max_of_gateway = 1'000;  // an answer over NATS is 1 MiB at most
    const std::string self = options_.fleet != nullptr ? options_.fleet->status().name : std::string();
    const std::size_t end =
        query.limit > max_page ? query.limit : std::min<std::size_t>(query.offset, max_page) + query.limit;
    query.offset = 0;
    query.limit = end;
    Lives lives;
    lives.add(self, gateway_.closed(query));
    query.limit = std::min(end, max_of_gateway);
    if (!options_.lives_elsewhere) return lives;
    for (const LivesOfGateway& other : options_.lives_elsewhere(query)) lives.add(other);
    return lives;
}

std::optional<FleetDevice> Api::presence_of(std::string_view device) const {
    if (options_.fleet == nullptr) return std::nullopt;
    return find_device(*options_.fleet, std::string(device));
}

namespace {

/// Returns the members of a JSON object, without its braces.
std::string members_of(std::string_view object) { return std::string(object.substr(1, object.size() - 2)); }

std::string error_message(std::string_view body) {
    simdjson::dom::parser parser;
    simdjson::dom::element answer;
    std::string_view message;
    if (parser.parse(body.data(), body.size()).get(answer) || answer.at_pointer("/error/message").get(message))
        return "?";
    return std::string(message);
}

/// Returns the members of the page of a device without a connection.
std::string closed_device(std::string_view id, const std::optional<FleetDevice>& presence, const std::string& trouble) {
    const bool is_unknown = presence && presence->state != FleetDeviceState::closed;
    JsonWriter json;
    json.begin_object().field("id", id).field("state", is_unknown ? "unknown" : "closed");
    if (presence) json.field("gateway", presence->record.gateway);
    if (!trouble.empty()) json.field("trouble", trouble);
    return members_of(json.end_object().take());
}

}  // namespace

/// Returns the members of the connection of a device, at whichever gateway, or an empty text. Sets `trouble` if the
/// gateway of the device does not answer.
std::string Api::open_device(std::string_view device, std::string& trouble) {
    const auto conn = find_here(device);
    const auto detail = conn ? gateway_.show(*conn) : std::nullopt;
    if (detail && options_.fleet == nullptr) return members_of(render_connection(*detail));
    if (detail) {
        JsonWriter json;
        json.begin_object().field("gateway", options_.fleet->status().name).end_object();
        return members_of(json.take()) + "," + members_of(render_connection(*detail));
    }
    if (!options_.elsewhere) return {};
    const auto answer = options_.elsewhere({.kind = DeviceQuestion::Kind::show, .device = device, .timeout = {}});
    if (answer && answer->status == 200 && answer->body.size() > 2) return members_of(answer->body);
    if (answer) trouble = error_message(answer->body);
    return {};
}

ApiAnswer Api::device(const ApiCall& call) {
    ClosedQuery query = read_closed_query(call.arguments);
    query.id = call.id;
    std::string trouble;
    std::string members = open_device(call.id, trouble);
    const bool is_open = !members.empty();
    const auto presence = presence_of(call.id);
    Lives lives = lives_in_fleet(query);
    lives.keep(call.id);
    if (presence && is_between(query.since, presence->record.closed_at, query.until)) lives.add(*presence);
    if (!is_open && !presence && lives.empty()) return unknown_device(call.id, options_.fleet != nullptr);
    members += is_open ? R"(,"state":"online")" : closed_device(call.id, presence, trouble);
    JsonWriter json;
    json.begin_object();
    lives.write(json, "lives", query.offset, query.limit);
    BadItemQuery bad{.id = std::string(call.id), .since = query.since, .until = query.until};
    std::vector<BadItemRow> rows = gateway_.bad_items(bad).rows;
    std::erase_if(rows, [&call](const BadItemRow& row) { return row.id != call.id; });  // an id may end with '*'
    write_bad_items(json, "latest_bad_items", rows);
    if (options_.watch != nullptr) write_alarms_of_device(json, options_.watch->alarms_of(call.id));
    return json_answer("{" + members + "," + members_of(json.end_object().take()) + "}");
}

ApiAnswer Api::device_close(const ApiCall& call) {
    const auto conn = find_here(call.id);
    if (!conn || !gateway_.close(*conn)) {
        return elsewhere({.kind = DeviceQuestion::Kind::close, .device = call.id, .timeout = {}});
    }
    JsonWriter out;
    out.begin_object().field("id", call.id).field("conn", to_string(*conn)).field("closed", true);
    return json_answer(out.end_object().take());
}

ApiAnswer Api::device_probe(const ApiCall& call) {
    const auto timeout = call.arguments.value<std::chrono::milliseconds>("timeout");
    return with_slow_slot("too_many_probes", [&] {
        const auto conn = find_here(call.id);
        const auto answer = conn ? gateway_.probe(*conn, timeout) : std::nullopt;
        if (answer) return json_answer(render_probe(*answer, call.id));
        return elsewhere({.kind = DeviceQuestion::Kind::probe, .device = call.id, .timeout = timeout});
    });
}

ApiAnswer Api::device_send(const ApiCall& call) {
    const auto wait = call.arguments.value<std::chrono::milliseconds>("wait");
    const auto deliver = [&] {
        const auto conn = find_here(call.id);
        const auto message = conn ? gateway_.message_for(*conn, call.message) : Result<std::string>(std::string());
        if (!message) return error(400, "wrong_payload", message.error().message);
        const Delivery outcome = conn ? gateway_.deliver(*conn, message.value(), wait) : Delivery::absent;
        if (outcome != Delivery::absent) return delivery_answer(call.id, *conn, outcome);
        return elsewhere({DeviceQuestion::Kind::send, call.id, call.message, wait});
    };
    // Short waits are unlimited. Long waits take a slow slot, so that they cannot occupy all threads.
    return wait <= default_delivery_wait ? deliver() : with_slow_slot("too_busy", deliver);
}

namespace {

DrainOrder read_drain_order(const ApiArguments& fields) {
    DrainOrder order{.over = fields.value<std::chrono::milliseconds>("over"),
                     .peer = fields.get<Prefix>("peer"),
                     .listener = fields.get<std::string>("listener"),
                     .goodbye = fields.value<bool>("goodbye")};
    // Devices of a partial drain may reconnect at once, because the gateway stays.
    const auto word = fields.get<std::string>("come_back");
    const auto when = word ? parse_come_back(*word) : std::nullopt;
    order.come_back = when.value_or(order.is_of_all() ? ComeBack::later : ComeBack::at_once);
    return order;
}

ApiAnswer shown(const DrainStatus& drain, bool out_of_service, int status = 200) {
    JsonWriter json;
    json.begin_object().field("out_of_service", out_of_service).key("drain");
    write_drain(json, drain);
    return {.status = status, .body = json.end_object().take()};
}

ApiAnswer none() { return Api::error(404, "not_found", "no drain has begun since the gateway started"); }

}  // namespace

ApiAnswer Api::drain(const ApiCall& call) {
    const auto begun = gateway_.drain(read_drain_order(call.fields));
    if (!begun) return error(409, "refused", begun.error().message);
    return shown(begun.value(), gateway_.status().out_of_service, 202);
}

ApiAnswer Api::show_drain(const ApiCall& /*call*/) {
    const ServerStatus now = gateway_.status();
    return now.drain ? shown(*now.drain, now.out_of_service) : none();
}

ApiAnswer Api::cancel_drain(const ApiCall& /*call*/) {
    const auto cancelled = gateway_.cancel_drain();
    return cancelled ? shown(*cancelled, false) : none();
}

}  // namespace holdfast
