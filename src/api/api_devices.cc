#include "api/api.h"
#include "api/render.h"
#include "text/json_writer.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

ApiAnswer json(std::string body, int status = 200) { return {.status = status, .body = std::move(body)}; }

ApiAnswer no_such_device(std::string_view device) {
    return Api::error(404, "not_found",
                      "no device " + in_quotes(device) + " is connected: GET /v1/closed?id= tells of its last lives");
}

ApiAnswer delivery(std::string_view device, ConnectionId conn, Delivery outcome) {
    if (outcome == Delivery::absent) return no_such_device(device);
    if (outcome == Delivery::queue_full) {
        return Api::error(
            429, "queue_full",
            "device " + in_quotes(device) + " has as much waiting as limits.downlink_queue allows: send again later");
    }
    JsonWriter out;
    out.begin_object().field("id", device).field("conn", to_string(conn)).field("result", to_string(outcome));
    return json(out.end_object().take(), outcome == Delivery::acked ? 200 : 202);
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
    if (detail) return json(render_connection(*detail));
    return elsewhere({.kind = DeviceQuestion::Kind::show, .device = call.id, .timeout = {}});
}

ApiAnswer Api::device_close(const ApiCall& call) {
    const auto conn = find_here(call.id);
    if (!conn || !gateway_.close(*conn)) {
        return elsewhere({.kind = DeviceQuestion::Kind::close, .device = call.id, .timeout = {}});
    }
    JsonWriter out;
    out.begin_object().field("id", call.id).field("conn", to_string(*conn)).field("closed", true);
    return json(out.end_object().take());
}

ApiAnswer Api::device_probe(const ApiCall& call) {
    const auto timeout = call.arguments.value<std::chrono::milliseconds>("timeout");
    return with_slow_slot("too_many_probes", [&] {
        const auto conn = find_here(call.id);
        const auto answer = conn ? gateway_.probe(*conn, timeout) : std::nullopt;
        if (answer) return json(render_probe(*answer, call.id));
        return elsewhere({.kind = DeviceQuestion::Kind::probe, .device = call.id, .timeout = timeout});
    });
}

ApiAnswer Api::device_send(const ApiCall& call) {
    const auto wait = call.arguments.value<std::chrono::milliseconds>("wait");
    const auto deliver = [&] {
        const auto conn = find_here(call.id);
        const Delivery outcome = conn ? gateway_.deliver(*conn, call.message, wait) : Delivery::absent;
        if (outcome != Delivery::absent) return delivery(call.id, *conn, outcome);
        return elsewhere({DeviceQuestion::Kind::send, call.id, call.message, wait});
    };
    // Short waits are unlimited. Long waits take a slow slot, so that they cannot occupy all threads.
    return wait <= default_delivery_wait ? deliver() : with_slow_slot("too_busy", deliver);
}

}  // namespace holdfast
