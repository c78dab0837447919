#include "daemon/fleet_part.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "api/api_endpoint.h"
#include "api/downlink_message.h"
#include "api/render.h"
#include "base/system.h"
#include "text/json_writer.h"

namespace holdfast {
namespace {

constexpr std::string_view lives_question = "closed";
constexpr std::chrono::milliseconds command_timeout{900};
constexpr std::chrono::milliseconds on_top{900};  // added to a request's timeout, for the way there and back

Result<std::string> check_message(std::string_view json) {
    DownlinkMessage message = read_message(json);
    if (!message.code.empty()) return Error{std::move(message.error)};
    return std::move(message.json);
}

std::string_view to_string(DeviceQuestion::Kind kind) {
    switch (kind) {
        case DeviceQuestion::Kind::show:
            return "show";
        case DeviceQuestion::Kind::send:
            return "cmd";
        case DeviceQuestion::Kind::probe:
            return "probe";
        case DeviceQuestion::Kind::close:
            return "close";
    }
    return "";
}

ApiAnswer gateway_silent(const std::string& trouble) { return Api::error(503, "gateway_silent", trouble); }

std::optional<std::string> probed(Server& server, const std::string& id, ConnectionId conn, std::string_view body) {
    std::int64_t timeout_ms = 0;
    std::from_chars(body.data(), body.data() + body.size(), timeout_ms);
    const auto timeout =
        std::clamp(std::chrono::milliseconds(timeout_ms), std::chrono::milliseconds(1), max_probe_timeout);
    const auto found = server.probe(conn, timeout);
    return found ? std::optional(render_probe(*found, id)) : std::nullopt;
}

/// Answers another gateway's request about a device. Returns nullopt if the device is not connected here.
std::optional<std::string> answer_of(Server& server, std::string_view what, const std::string& id,
                                     std::string_view body) {
    if (what == lives_question) {
        const auto query = read_closed_target(body);
        return query ? std::optional(render_closed(server.closed_page(*query))) : std::nullopt;
    }
    const auto conn = server.find(id);
    if (!conn) return std::nullopt;
    if (what == "probe") return probed(server, id, *conn, body);
    if (what == "show") {
        const auto detail = server.show(*conn);
        return detail ? std::optional(render_connection(*detail)) : std::nullopt;
    }
    if (what != "close" || !server.close(*conn)) return std::nullopt;
    JsonWriter out;
    out.begin_object().field("id", id).field("conn", to_string(*conn)).field("closed", true).end_object();
    return out.take();
}

/// Identifies the directory whose lock this process holds, by the boot id of this machine, the device and the inode.
/// Returns an empty text on a failure.
std::string place_of(const std::string& directory) {
    struct stat about {};
    const std::string boot = boot_id();
    if (boot.empty() || ::stat(directory.c_str(), &about) != 0) return "";
    return boot + '/' + std::to_string(about.st_dev) + '/' + std::to_string(about.st_ino);
}

}  // namespace

std::string fleet_name(const FleetConfig& config) {
    if (!config.name.empty()) return config.name;
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) != 0 || host.front() == '\0') return "gateway";
    return host.data();
}

void FleetPart::start(const FleetConfig& config, const SinkConfig& sink, Server& server, NatsLink& link, Spool& spool,
                      SpoolInheritance inherited) {
    FleetOptions options;
    options.inherited = std::move(inherited);
    options.name = fleet_name(config);
    options.lost_after = config.lost_after;
    options.max_closed_unauthenticated = config.max_closed_unauthenticated;
    options.replicas = sink.replicas;
    options.place = place_of(sink.path);
    options.check_message = check_message;
    options.answer = [&server](std::string_view what, const std::string& id, std::string_view body) {
        return answer_of(server, what, id, body);
    };
    options.on_trouble = [this](const std::string& trouble) { log_.warn("out of the fleet", {{"why", trouble}}); };
    options.on_recovered = [this] { log_.info("back in the fleet"); };
    options.on_notice = [this](const std::string& notice) { log_.warn(notice); };
    log_.info("fleet", {{"name", options.name}});
    fleet_ = std::make_unique<Fleet>(server, link, spool, news_, std::move(options));
    started_ = true;
}

void FleetPart::stop(std::chrono::milliseconds timeout) {
    if (fleet_) fleet_->stop(timeout);
}

std::optional<ApiAnswer> FleetPart::elsewhere(const DeviceQuestion& question) {
    if (question.kind == DeviceQuestion::Kind::send) return send_elsewhere(question);
    const std::string timeout = std::to_string(question.timeout.count());
    auto [gateway, answer, trouble] = fleet_->desk().query(to_string(question.kind), std::string(question.device),
                                                           timeout, question.timeout + on_top);
    if (!trouble.empty()) return gateway_silent(trouble);
    if (!answer) return std::nullopt;
    // Puts the name of the other gateway in front of its answer.
    const std::string whose = JsonWriter().begin_object().field("gateway", gateway).end_object().take();
    answer->replace(0, 1, whose.substr(0, whose.size() - 1) + ",");
    return ApiAnswer{.body = std::move(*answer)};
}

std::optional<ApiAnswer> FleetPart::send_elsewhere(const DeviceQuestion& question) {
    const CommandAnswer answer = fleet_->desk().send(std::string(question.device), question.json, command_timeout);
    if (answer.result == "absent" && answer.detail.empty()) return std::nullopt;
    if (answer.result == "absent") return gateway_silent(answer.detail);
    if (answer.result == "queue_full") return Api::error(429, "queue_full", answer.detail + "; send again later");
    if (answer.result == "unencodable") return Api::unencodable();
    if (answer.result == "refused") return Api::error(429, "too_busy", answer.detail);
    return ApiAnswer{.status = answer.result == "acked" ? 200 : 202, .body = to_json(answer)};
}

std::vector<LivesOfGateway> FleetPart::query_lives(const ClosedQuery& query) {
    std::vector<std::string> others;
    for (const FleetGateway& gateway : fleet_->gateways()) {
        const bool may_answer = gateway.state == GatewayState::online || gateway.state == GatewayState::silent;
        if (may_answer && !gateway.self) others.push_back(gateway.record.name);
    }
    auto answers = fleet_->desk().query_all(others, lives_question, query.id.value_or("*"), closed_target(query));
    std::vector<LivesOfGateway> lives;
    for (const std::string& gateway : others) {
        LivesOfGateway& each = lives.emplace_back();
        each.gateway = gateway;
        if (const auto found = answers.find(gateway); found != answers.end()) each.answer = std::move(found->second);
    }
    return lives;
}

}  // namespace holdfast
