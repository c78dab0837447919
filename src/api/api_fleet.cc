#include "api/api.h"
#include "api/figures_json.h"
#include "api/render.h"

namespace holdfast {
namespace {

ApiAnswer no_fleet() {
    return Api::error(
        409, "no_fleet",
        "this gateway is in no fleet: run it with --sink nats:URL, or [sink] type = \"nats\", and without "
        "[fleet] enabled = false");
}

void write_time(JsonWriter& json, std::string_view name, EventTime at) {
    json.key(name);
    at == EventTime() ? json.null() : json.value(render_time(at));
}

void write_gateway(JsonWriter& json, const FleetGatewayRow& gateway) {
    json.begin_object().field("name", gateway.name).field("state", gateway.state).field("self", gateway.self);
    write_time(json, "since", gateway.since);
    json.field("quiet_s", as_seconds(gateway.quiet)).field("connections", gateway.connections);
    json.field("devices", gateway.devices).end_object();
}

void write_device(JsonWriter& json, const FleetDeviceRow& device) {
    json.begin_object().field("id", device.id).field("state", device.state).field("gateway", device.gateway);
    json.field("conn", to_string(device.conn)).field("peer", to_string(device.peer));
    json.field("listener", device.listener).field("authenticated", device.authenticated);
    write_time(json, "since", device.since);
    json.key("reason");
    device.reason ? json.value(to_string(*device.reason)) : json.null();
    write_time(json, "closed_at", device.closed_at);
    json.key("by");
    write_or_null(json, device.by);
    json.end_object();
}

std::string render(const FleetOverview& overview, const std::vector<FleetGatewayRow>& gateways,
                   const FleetPageRow& page) {
    JsonWriter json;
    json.begin_object().field("self", overview.name).key("trouble");
    write_or_null(json, overview.trouble);
    json.field("complete", overview.complete);
    FiguresJson::write(json, overview);
    json.key("gateways").begin_array();
    for (const FleetGatewayRow& gateway : gateways) write_gateway(json, gateway);
    json.end_array().field("total", page.total).key("devices").begin_array();
    for (const FleetDeviceRow& device : page.devices) write_device(json, device);
    json.end_array().end_object();
    return json.take();
}

}  // namespace

ApiAnswer Api::fleet(const ApiCall& call) {
    const ApiArguments& given = call.arguments;
    FleetQueryRow query;
    query.gateway = given.get<std::string>("gateway");
    query.id = given.get<std::string>("id");
    query.state = given.get<std::string>("state");
    query.limit = given.value<std::uint64_t>("limit");
    query.offset = given.value<std::uint64_t>("offset");
    if (options_.fleet == nullptr) return no_fleet();
    return {.body = render(options_.fleet->overview(), options_.fleet->gateways(), options_.fleet->devices(query))};
}

}  // namespace holdfast
