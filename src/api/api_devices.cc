#include "api/api.h"
#include "api/render.h"
#include "text/json_writer.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

ApiAnswer no_such_device(std::string_view device) {
    return Api::error(404, "not_found",
                      "no device " + in_quotes(device) +
                          " is connected; see its closed connections (holdfast closed --id, GET /v1/closed?id=)");
}

ApiAnswer delivery_answer(std::string_view device, ConnectionId conn, Delivery outcome) {
    if (outcome == Delivery::absent) return no_such_device(device);
    if (outcome == Delivery::queue_full) {
        return Api::error(429, "queue_full",
                          "device " + in_quotes(device) + " has reached limits.downlink_queue; send again later");
    }
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

ApiAnswer Api::device(const ApiCall& call) {
    const auto conn = find_here(call.id);
    const auto detail = conn ? gateway_.show(*conn) : std::nullopt;
    if (detail) return json_answer(render_connection(*detail));
    return elsewhere({.kind = DeviceQuestion::Kind::show, .device = call.id, .timeout = {}});
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
        const Delivery outcome = conn ? gateway_.deliver(*conn, call.message, wait) : Delivery::absent;
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
