#include "app/fleet_part.h"

#include <unistd.h>

#include <array>

#include "admin/downlink_message.h"

namespace holdfast {
namespace {

constexpr std::chrono::milliseconds command_patience{900};

Result<std::string> check_message(std::string_view json) {
    DownlinkMessage message = read_message(json);
    if (!message.code.empty()) return Error{std::move(message.error)};
    return std::move(message.json);
}

FleetDeviceRow row_of(const FleetDevice& device) {
    const PresenceRecord& record = device.record;
    return {.id = device.id,
            .state = std::string(to_string(device.state)),
            .gateway = record.gateway,
            .conn = record.conn,
            .peer = record.peer,
            .listener = record.listener,
            .since = record.since,
            .reason = record.reason,
            .closed_at = record.closed_at,
            .by = record.by};
}

std::optional<FleetDeviceState> state_of(const std::optional<std::string>& word) {
    for (const auto state : {FleetDeviceState::online, FleetDeviceState::unknown, FleetDeviceState::closed}) {
        if (word == to_string(state)) return state;
    }
    return std::nullopt;
}

}  // namespace

std::string fleet_name(const FleetConfig& config) {
    if (!config.name.empty()) return config.name;
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0 || host.front() == '\0') return "gateway";
    return host.data();
}

void FleetPart::start(const FleetConfig& config, unsigned replicas, Server& server, NatsLink& link, Spool& spool) {
    FleetOptions options;
    options.name = fleet_name(config);
    options.lost_after = config.lost_after;
    options.replicas = replicas;
    options.check_message = check_message;
    options.on_trouble = [this](const std::string& trouble) { log_.warn("out of the fleet", {{"why", trouble}}); };
    options.on_recovered = [this] { log_.info("part of the fleet again"); };
    options.on_notice = [this](const std::string& notice) { log_.warn(notice); };
    log_.info("fleet", {{"name", options.name}});
    fleet_ = Fleet::start(server, link, spool, news_, std::move(options));
}

void FleetPart::stop(std::chrono::milliseconds patience) {
    if (fleet_) fleet_->stop(patience);
}

FleetOverview FleetPart::overview() {
    const FleetStatus status = fleet_->status();
    return {.name = status.name,
            .trouble = status.trouble,
            .complete = status.complete,
            .devices = status.known,
            .unsettled = status.unsettled};
}

std::vector<FleetGatewayRow> FleetPart::gateways() {
    std::vector<FleetGatewayRow> rows;
    for (const FleetGateway& gateway : fleet_->gateways()) {
        rows.push_back({.name = gateway.record.name,
                        .state = std::string(to_string(gateway.state)),
                        .self = gateway.self,
                        .since = gateway.record.since,
                        .quiet = gateway.quiet,
                        .connections = gateway.record.connections,
                        .devices = gateway.devices});
    }
    return rows;
}

FleetPageRow FleetPart::devices(const FleetQueryRow& query) {
    const FleetPage page = fleet_->devices({.id = query.id,
                                            .gateway = query.gateway,
                                            .state = state_of(query.state),
                                            .offset = query.offset,
                                            .limit = query.limit});
    FleetPageRow rows{page.total, {}};
    for (const FleetDevice& device : page.devices) rows.devices.push_back(row_of(device));
    return rows;
}

FleetDelivery FleetPart::send(const std::string& id, std::string_view json) {
    CommandAnswer answer = fleet_->desk().send(id, json, command_patience);
    return {std::move(answer.result), std::move(answer.gateway), std::move(answer.conn), std::move(answer.detail)};
}

std::optional<FleetProbe> FleetPart::probe(const std::string& id, std::chrono::milliseconds timeout) {
    const auto found = fleet_->desk().probe(id, timeout);
    const auto conn = found ? parse_connection_id(found->conn) : std::nullopt;
    if (!conn) return std::nullopt;
    return FleetProbe{{*conn, found->alive, found->waited, found->last_heard, found->rtt}, found->gateway};
}

}  // namespace holdfast
