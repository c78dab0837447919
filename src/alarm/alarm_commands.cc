#include "alarm/alarm_commands.h"

#include <algorithm>

#include "alarm/alarm_members.h"
#include "text/units.h"

namespace holdfast {
namespace {

using Commands = std::vector<std::string>;

/// Returns " --peer 10.2.0.0/16" if one prefix covers most of the connections.
std::string peer_flag(const Alarm& alarm) {
    if (alarm.prefixes.empty() || 5 * alarm.prefixes.front().dead < 4 * alarm.count) return {};
    return " --peer " + to_string(alarm.prefixes.front().prefix);
}

std::string closed_command(CloseReason reason, const std::string& flags = {}) {
    return "holdfast closed --reason " + std::string(to_string(reason)) + flags;
}

/// Returns " --since 2026-11-22T08:00:00Z", the second of the first end, or "" without an interval.
std::string since_flag(const Alarm& alarm) {
    return alarm.interval ? " --since " + format_time(alarm.interval->from) : std::string();
}

/// Returns the commands that list the ends: one for each reason and prefix, the largest first.
Commands list_ends(const Alarm& alarm) {
    constexpr std::size_t max_reasons = 2;
    constexpr std::size_t max_prefixes = 3;
    Commands commands;
    for (std::size_t i = 0; i < std::min(alarm.reasons.size(), max_reasons); ++i) {
        const auto add = [&](const std::string& peer) {
            commands.push_back(closed_command(alarm.reasons[i].reason, peer + since_flag(alarm)));
        };
        const bool one_covers_them = !peer_flag(alarm).empty() || alarm.prefixes.empty();
        if (one_covers_them) add(peer_flag(alarm));
        for (std::size_t k = 0; !one_covers_them && k < std::min(alarm.prefixes.size(), max_prefixes); ++k)
            add(" --peer " + to_string(alarm.prefixes[k].prefix));
        if (5 * alarm.reasons[i].count >= 4 * alarm.count) break;
    }
    if (commands.empty()) commands.push_back("holdfast closed" + since_flag(alarm));
    return commands;
}

/// Adds the commands that list the members.
void add_members(const Alarm& alarm, Commands& commands) {
    const std::string one = "holdfast alarms " + std::to_string(alarm.id);
    commands.push_back(one + " --state missing");
    commands.push_back(one + " --csv > alarm-" + std::to_string(alarm.id) + ".csv");
}

Commands of_silence(const Alarm& alarm) {
    Commands commands;
    if (alarm.silent && alarm.silent->suspects > 0) {
        const std::string peer = peer_flag(alarm);
        commands.push_back("holdfast list --suspect" + peer);
        commands.push_back("holdfast probe" + (peer.empty() ? " --all" : peer));
    }
    return commands;
}

Commands of_kind(const Alarm& alarm) {
    switch (alarm.kind) {
        case AlarmKind::population_drop:
        case AlarmKind::keepalive_ineffective:
        case AlarmKind::idle_timeout:
        case AlarmKind::reconnect_storm:
            return list_ends(alarm);
        case AlarmKind::peers_silent:
            return of_silence(alarm);
        case AlarmKind::bad_items:
            return {"holdfast bad"};
        case AlarmKind::worker_restarted:
            return {closed_command(CloseReason::gateway_crashed), "holdfast status"};
        case AlarmKind::duplicate_device:
            return {closed_command(CloseReason::superseded)};
        case AlarmKind::buffer_pressure:
            return {"holdfast list --sort bytes_in", "holdfast status"};
        case AlarmKind::twin_gateway:
        case AlarmKind::fleet_cut_off:
        case AlarmKind::fleet_gateway_lost:
        case AlarmKind::presence_budget:
            return {"holdfast status --fleet"};
        case AlarmKind::accept_paused:
        case AlarmKind::registry_drift:
        case AlarmKind::link_down:
            return {"holdfast doctor"};
        default:
            return {"holdfast status"};
    }
}

}  // namespace

std::string_view severity_of(AlarmKind kind) noexcept {
    switch (kind) {
        case AlarmKind::population_drop:
        case AlarmKind::accept_paused:
        case AlarmKind::sink_lag:
        case AlarmKind::link_down:
        case AlarmKind::stream_loss:
        case AlarmKind::twin_gateway:
        case AlarmKind::fleet_cut_off:
        case AlarmKind::fleet_gateway_lost:
        case AlarmKind::spool_unreadable:
        case AlarmKind::spool_damaged:
        case AlarmKind::worker_restarted:
            return "critical";
        default:
            return "warning";
    }
}

std::vector<std::string> commands_of(const Alarm& alarm) {
    Commands commands;
    if (has_members(alarm)) add_members(alarm, commands);
    for (std::string& command : of_kind(alarm)) commands.push_back(std::move(command));
    return commands;
}

}  // namespace holdfast
