#include "api/lives.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "api/api.h"
#include "api/render.h"

namespace holdfast {
namespace {

std::span<const Parameter> closed_parameters() {
    const auto endpoints = Api::endpoints();
    const auto found = std::find_if(endpoints.begin(), endpoints.end(),
                                    [](const ApiEndpoint& endpoint) { return endpoint.path == api_path::closed; });
    return found->parameters;
}

std::string time_or_empty(const std::optional<EventTime>& at) { return at ? render_time(*at) : std::string(); }

}  // namespace

ClosedQuery read_closed_query(const ApiArguments& given) {
    ClosedQuery read;
    if (const auto word = given.get<std::string>("reason")) read.reason = parse_close_reason(*word);
    read.peer = given.get<Prefix>("peer");
    read.id = given.get<std::string>("id");
    read.since = given.get<EventTime>("since");
    read.until = given.get<EventTime>("until");
    read.limit = given.value<std::uint64_t>("limit");
    read.offset = given.value<std::uint64_t>("offset");
    return read;
}

std::string closed_target(const ClosedQuery& query) {
    return QueryTarget(std::string(api_path::closed))
        .with("reason", query.reason ? to_string(*query.reason) : std::string_view())
        .with("peer", query.peer ? to_string(*query.peer) : std::string())
        .with("id", query.id.value_or(""))
        .with("since", time_or_empty(query.since))
        .with("until", time_or_empty(query.until))
        .with("limit", std::to_string(query.limit))
        .with("offset", std::to_string(query.offset))
        .text();
}

std::optional<ClosedQuery> read_closed_target(std::string_view text) {
    const auto target = parse_request_target(text);
    if (!target) return std::nullopt;
    const auto arguments = ApiArguments::read(closed_parameters(), target.value());
    return arguments ? std::optional(read_closed_query(arguments.value())) : std::nullopt;
}

void Lives::add_row(const std::string& gateway, Row row) {
    if (!gateway.empty()) {
        const std::string whose = JsonWriter().begin_object().field("gateway", gateway).end_object().take();
        row.json.replace(0, 1, whose.substr(0, whose.size() - 1) + ",");
        in_fleet_ = true;
    }
    rows_.push_back(std::move(row));
}

void Lives::add(const std::string& gateway, const ClosedPage& page) {
    total_ += page.total;
    for (const ClosedLife& life : page.lives) {
        add_row(gateway, {render_time(life.at), to_string(life.conn), life.id, render_life(life)});
    }
    in_fleet_ = in_fleet_ || !gateway.empty();
}

/// Leaves out rows of another form, because the answer is external input.
void Lives::add(const LivesOfGateway& other) {
    simdjson::dom::parser parser;
    simdjson::dom::element answer;
    simdjson::dom::array rows;
    in_fleet_ = true;
    if (!other.answer || parser.parse(*other.answer).get(answer) || answer["closed"].get(rows)) {
        silent_.push_back(other.gateway);
        return;
    }
    std::uint64_t total = 0;
    total_ += answer["total"].get(total) ? 0 : total;
    for (const simdjson::dom::element row : rows) {
        std::string_view at;
        std::string_view conn;
        std::string_view id;
        if (row["at"].get(at) || row["conn"].get(conn)) continue;
        if (row["id"].get(id)) id = {};
        add_row(other.gateway, {std::string(at), std::string(conn), std::string(id), simdjson::minify(row)});
    }
}

void Lives::add(const FleetDevice& device) {
    const PresenceRecord& record = device.record;
    const std::string conn = to_string(record.conn);
    const bool has = std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) { return row.conn == conn; });
    if (record.online || !record.reason || has) return;
    ClosedLife life;
    life.conn = record.conn;
    life.peer = record.peer;
    life.reason = *record.reason;
    life.at = record.closed_at;
    life.duration = std::max(record.closed_at - record.since, std::chrono::milliseconds(0));
    life.listener = record.listener;
    life.id = device.id;
    life.authenticated = record.identity == Identity::authenticated;
    life.observed = false;
    if (!record.by.empty()) life.detail = "the gateway " + record.gateway + " was lost; " + record.by + " reports it";
    ++total_;
    add_row(record.gateway, {render_time(life.at), conn, life.id, render_life(life)});
}

void Lives::keep(std::string_view id) {
    if (!id.ends_with('*')) return;
    total_ -= std::min(total_, std::erase_if(rows_, [id](const Row& row) { return row.id != id; }));
}

void Lives::write(JsonWriter& json, std::string_view name, std::size_t offset, std::size_t limit) {
    std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) { return a.at > b.at; });
    const std::size_t first = std::min(offset, rows_.size());
    const std::size_t last = first + std::min(limit, rows_.size() - first);
    json.field("total", total_).key(name).begin_array();
    for (std::size_t i = first; i < last; ++i) json.json(rows_[i].json);
    json.end_array();
    if (!in_fleet_) return;
    json.key("silent_gateways").begin_array();
    for (const std::string& gateway : silent_) json.value(gateway);
    json.end_array();
}

}  // namespace holdfast
