#include <algorithm>
#include <string_view>
#include <vector>

#include "api/figures_json.h"
#include "api/render.h"

namespace holdfast {
namespace {

/// Writes only the reasons that occurred.
void write_closed(JsonWriter& json, const std::array<std::uint64_t, close_reason_count>& closed) {
    json.key("closed").begin_object();
    for (const CloseReason reason : all_close_reasons) {
        const std::uint64_t count = closed[static_cast<std::size_t>(reason)];
        if (count > 0) json.field(to_string(reason), count);
    }
    json.end_object();
}

void write_point(JsonWriter& json, const TrendPoint& point) {
    json.begin_object().field("at", render_time(point.at)).field("connections", point.connections);
    json.field("fewest", point.fewest).field("most", point.max).field("accepted", point.accepted);
    json.field("refused", point.refused);
    write_closed(json, point.closed);
    json.field("items", point.items).field("bad_items", point.bad_items).end_object();
}

std::string_view to_string(Discrepancy::Kind kind) {
    switch (kind) {
        case Discrepancy::Kind::ghost:
            return "ghost";
        case Discrepancy::Kind::orphan:
            return "orphan";
        case Discrepancy::Kind::stuck_close_wait:
            return "stuck_close_wait";
    }
    return "unknown";
}

void write_discrepancy(JsonWriter& json, const Discrepancy& one) {
    json.begin_object().field("kind", to_string(one.kind)).field("listener", one.listener);
    json.field("peer", holdfast::to_string(one.peer)).key("conn");
    const bool orphan = one.kind == Discrepancy::Kind::orphan;
    write_or_null(json, orphan ? std::string() : holdfast::to_string(one.conn));
    json.key("descriptor");
    if (one.descriptor < 0) {
        json.null();
    } else {
        json.value(one.descriptor);
    }
    json.end_object();
}

void write_lines(JsonWriter& json, std::string_view name, const std::vector<std::string>& lines) {
    json.key(name).begin_array();
    for (const std::string& line : lines) json.value(line);
    json.end_array();
}

}  // namespace

std::string render_trend(std::chrono::seconds window, const TrendAnswer& answer) {
    JsonWriter json;
    json.begin_object().field("window_s", window.count()).field("step_s", answer.step.count());
    json.key("points").begin_array();
    for (const TrendPoint& point : answer.points) write_point(json, point);
    json.end_array().end_object();
    return json.take();
}

std::string render_reconciliation(const Reconciliation& reconciled) {
    JsonWriter json;
    json.begin_object().field("at", render_time(reconciled.at)).field("took_ms", reconciled.took.count());
    json.field("registry", reconciled.registry).field("kernel", reconciled.kernel).field("drift", reconciled.drift());
    json.field("ghosts", reconciled.ghosts).field("orphans", reconciled.orphans);
    json.field("stuck_close_wait", reconciled.stuck_close_wait).key("examples").begin_array();
    for (const Discrepancy& one : reconciled.examples) write_discrepancy(json, one);
    json.end_array().key("error");
    write_or_null(json, reconciled.error);
    json.end_object();
    return json.take();
}

std::string render_reload(const ReloadResult& result) {
    JsonWriter json;
    json.begin_object();
    write_lines(json, "applied", result.applied);
    write_lines(json, "needs_restart", result.needs_restart);
    write_lines(json, "warnings", result.warnings);
    json.end_object();
    return json.take();
}

std::string render_reloads(const ReloadMeter::Figures& reloads) {
    JsonWriter json;
    json.begin_object().key("reloads").begin_object();
    FiguresJson::write(json, reloads);
    json.end_object().end_object();
    return json.take();
}

std::string render_reload_errors(const ReloadResult& result) {
    JsonWriter json;
    json.begin_object().key("error").begin_object().field("code", "bad_config");
    json.field("message", result.errors.front());
    write_lines(json, "details", result.errors);
    json.end_object().end_object();
    return json.take();
}

std::string render_sample(const TrendPoint& second, const ServerStatus& status, std::size_t alarms_active) {
    const auto paused = [](const ListenerStatus& listener) { return listener.accept_paused; };
    JsonWriter json;
    json.begin_object().field("at", render_time(second.at)).field("connections", second.connections);
    json.field("accepted", second.accepted).field("refused", second.refused);
    write_closed(json, second.closed);
    json.field("items", second.items).field("bad_items", second.bad_items).key("listeners").begin_object();
    for (const ListenerStatus& listener : status.listeners) json.field(listener.name, listener.connections);
    std::uint64_t suspects = 0;
    for (const ListenerStatus& listener : status.listeners) suspects += listener.suspects;
    json.end_object()
        .field("suspects", suspects)
        .field("alarms_active", alarms_active)
        .field("reading_paused", status.reading_paused != 0);
    json.field("accept_paused", std::any_of(status.listeners.begin(), status.listeners.end(), paused)).end_object();
    return json.take();
}

}  // namespace holdfast
