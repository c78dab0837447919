#include "api/api.h"
#include "api/figures_json.h"
#include "api/render.h"

namespace holdfast {
namespace {

ApiAnswer no_fleet() {
    return Api::error(409, "no_fleet",
                      "this gateway is in no fleet; start it with --sink nats:URL, or [sink] type = \"nats\", and "
                      "without [fleet] enabled = false");
}

void write_time(JsonWriter& json, std::string_view name, EventTime at) {
    json.key(name);
    at == EventTime() ? json.null() : json.value(render_time(at));
}

void write_gateway(JsonWriter& json, const FleetGateway& gateway) {
    json.begin_object().field("name", gateway.record.name).field("state", to_string(gateway.state));
    json.field("self", gateway.self);
    write_time(json, "since", gateway.record.since);
    json.field("quiet_s", as_seconds(gateway.quiet)).field("connections", gateway.record.connections);
    json.field("devices", gateway.devices).end_object();
}

void write_device(JsonWriter& json, const FleetDevice& device) {
    const PresenceRecord& record = device.record;
    json.begin_object().field("id", device.id).field("state", to_string(device.state)).field("gateway", record.gateway);
    json.field("conn", to_string(record.conn)).field("peer", to_string(record.peer));
    json.field("listener", record.listener).field("authenticated", record.identity == Identity::authenticated);
    write_time(json, "since", record.since);
    json.key("reason");
    record.reason ? json.value(to_string(*record.reason)) : json.null();
    write_time(json, "closed_at", record.closed_at);
    json.key("by");
    write_or_null(json, record.by);
    json.end_object();
}

std::string render(const FleetStatus& status, const std::vector<FleetGateway>& gateways, const FleetPage& page) {
    JsonWriter json;
    json.begin_object().field("self", status.name).key("trouble");
    write_or_null(json, status.trouble);
    json.field("complete", status.complete);
    FiguresJson::write(json, status);
    json.key("gateways").begin_array();
    for (const FleetGateway& gateway : gateways) write_gateway(json, gateway);
    json.end_array().field("total", page.total).key("devices").begin_array();
    for (const FleetDevice& device : page.devices) write_device(json, device);
    json.end_array().end_object();
    return json.take();
}

std::optional<FleetDeviceState> state_of(const std::optional<std::string>& word) {
    for (const auto state : {FleetDeviceState::online, FleetDeviceState::unknown, FleetDeviceState::closed}) {
        if (word == to_string(state)) return state;
    }
    return std::nullopt;
}

}  // namespace

ApiAnswer Api::fleet(const ApiCall& call) {
    const ApiArguments& given = call.arguments;
    FleetQuery query;
    query.gateway = given.get<std::string>("gateway");
    query.id = given.get<std::string>("id");
    query.state = state_of(given.get<std::string>("state"));
    query.since = given.get<EventTime>("since");
    query.until = given.get<EventTime>("until");
    query.limit = given.value<std::uint64_t>("limit");
    query.offset = given.value<std::uint64_t>("offset");
    if (options_.fleet == nullptr) return no_fleet();
    return {.body = render(options_.fleet->status(), options_.fleet->gateways(), options_.fleet->devices(query))};
}

}  // namespace holdfast
