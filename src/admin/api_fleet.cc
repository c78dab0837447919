#include <algorithm>
#include <array>
#include <limits>

#include "admin/api.h"
#include "admin/query.h"
#include "admin/render.h"
#include "admin/render_parts.h"
#include "base/printable.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 3> states{"online", "unknown", "closed"};

ApiAnswer bad_query(const std::string& message) { return Api::error(400, "bad_query", message); }

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
    json.field("complete", overview.complete).field("known_devices", overview.devices);
    json.field("unsettled", overview.unsettled);
    json.field("closed_unauthenticated", overview.closed_unauthenticated);
    json.field("dropped_unauthenticated", overview.dropped_unauthenticated).key("gateways").begin_array();
    for (const FleetGatewayRow& gateway : gateways) write_gateway(json, gateway);
    json.end_array().field("total", page.total).key("devices").begin_array();
    for (const FleetDeviceRow& device : page.devices) write_device(json, device);
    json.end_array().end_object();
    return json.take();
}

}  // namespace

ApiAnswer Api::fleet(const Call& call) {
    QueryReader reader(call.target);
    FleetQueryRow query;
    query.gateway = reader.text("gateway");
    query.id = reader.text("id");
    query.state = reader.text("state");
    query.limit = reader.number("limit", query.limit, max_page);
    query.offset = reader.number("offset", 0, std::numeric_limits<std::size_t>::max());
    if (const auto wrong = reader.finish()) return bad_query(*wrong);
    if (query.state && std::find(states.begin(), states.end(), *query.state) == states.end()) {
        return bad_query("state=" + in_quotes(*query.state) + " is no state; allowed are online, unknown, closed");
    }
    if (options_.fleet == nullptr) return no_fleet();
    return {.body = render(options_.fleet->overview(), options_.fleet->gateways(), options_.fleet->devices(query))};
}

}  // namespace holdfast
