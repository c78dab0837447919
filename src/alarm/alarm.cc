#include "alarm/alarm.h"

#include <algorithm>

namespace holdfast {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, alarm_kind_count> kind_words{
    "population_drop",       "reconnect_storm",    "bad_items",       "accept_paused",    "sink_lag",
    "keepalive_ineffective", "registry_drift",     "buffer_pressure", "peers_silent",     "link_down",
    "duplicate_device",      "session_budget",     "stream_loss",     "twin_gateway",     "dead_letter",
    "fleet_cut_off",         "fleet_gateway_lost", "presence_budget", "spool_unreadable", "spool_damaged",
    "idle_timeout",          "worker_restarted"};
static_assert(!kind_words.back().empty());

}  // namespace

Alarm* AlarmBoard::find(std::uint64_t id) {
    for (std::vector<Alarm>* alarms : {&active, &recent}) {
        for (Alarm& alarm : *alarms) {
            if (alarm.id == id) return &alarm;
        }
    }
    return nullptr;
}

std::string_view to_string(AlarmKind kind) noexcept { return kind_words[static_cast<std::size_t>(kind)]; }

std::optional<AlarmKind> parse_alarm_kind(std::string_view word) noexcept {
    const auto* const found = std::find(kind_words.begin(), kind_words.end(), word);
    if (found == kind_words.end()) return std::nullopt;
    return static_cast<AlarmKind>(found - kind_words.begin());
}

}  // namespace holdfast
