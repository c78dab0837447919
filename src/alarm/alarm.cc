#include "alarm/alarm.h"

namespace holdfast {

const std::array<AlarmKind, alarm_kind_count> all_alarm_kinds{
    AlarmKind::population_drop, AlarmKind::reconnect_storm,  AlarmKind::bad_items,
    AlarmKind::accept_paused,   AlarmKind::sink_lag,         AlarmKind::keepalive_ineffective,
    AlarmKind::registry_drift,  AlarmKind::buffer_pressure,  AlarmKind::peers_silent,
    AlarmKind::link_down,       AlarmKind::duplicate_device, AlarmKind::session_budget,
    AlarmKind::stream_loss,     AlarmKind::twin_gateway,     AlarmKind::dead_letter,
    AlarmKind::fleet_cut_off,   AlarmKind::presence_budget,  AlarmKind::spool_unreadable,
    AlarmKind::spool_damaged};

std::string_view to_string(AlarmKind kind) noexcept {
    switch (kind) {
        case AlarmKind::population_drop:
            return "population_drop";
        case AlarmKind::reconnect_storm:
            return "reconnect_storm";
        case AlarmKind::bad_items:
            return "bad_items";
        case AlarmKind::accept_paused:
            return "accept_paused";
        case AlarmKind::sink_lag:
            return "sink_lag";
        case AlarmKind::keepalive_ineffective:
            return "keepalive_ineffective";
        case AlarmKind::registry_drift:
            return "registry_drift";
        case AlarmKind::buffer_pressure:
            return "buffer_pressure";
        case AlarmKind::peers_silent:
            return "peers_silent";
        case AlarmKind::link_down:
            return "link_down";
        case AlarmKind::duplicate_device:
            return "duplicate_device";
        case AlarmKind::session_budget:
            return "session_budget";
        case AlarmKind::stream_loss:
            return "stream_loss";
        case AlarmKind::twin_gateway:
            return "twin_gateway";
        case AlarmKind::dead_letter:
            return "dead_letter";
        case AlarmKind::fleet_cut_off:
            return "fleet_cut_off";
        case AlarmKind::presence_budget:
            return "presence_budget";
        case AlarmKind::spool_unreadable:
            return "spool_unreadable";
        case AlarmKind::spool_damaged:
            return "spool_damaged";
    }
    return "unknown";
}

}  // namespace holdfast
