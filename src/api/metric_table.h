#pragma once

#include <string_view>
#include <tuple>

#include <holdfast/status.h>

#include "api/status_parts.h"
#include "fleet/fleet_view.h"
#include "model/counter_rows.h"

namespace holdfast {

/// Reads a member of a member.
template <auto outer, auto inner>
inline constexpr auto in = [](const auto& part) -> const auto& {
    return part.*outer.*inner;
};

/// The value of holdfast_build_info is 1. Its labels carry the text.
struct BuildInfo {};

/// Describes one part of the status.
struct MetricPart {
    std::string_view title;
    std::string_view where = {};  ///< condition for the presence of the part, for the page
    std::string_view json = {};   ///< path in /v1/status
    std::string_view label = {};  ///< distinguishes several parts of one kind
};

/// Holds the rows of a part. The counters of reactors are in model/counter_rows.h.
template <typename Part>
struct MetricTable;

template <>
struct MetricTable<ListenerStatus> {
    static constexpr MetricPart part{
        .title = "Listeners",
        .where = "At the top, `/v1/status` has the sums of all listeners. `tls` is there for listeners with TLS.",
        .json = "listeners[].",
        .label = "listener"};
    static constexpr std::tuple rows = std::tuple_cat(
        listener_rows<ListenerSum>,
        std::tuple{gauge(&ListenerStatus::tls_good_until, "holdfast_tls_certificate_expiry_timestamp_seconds",
                         "tls.certificate_good_until", "End of the validity of the listener's certificate.")
                       .scoped(MetricScope::tls)});
};

template <>
struct MetricTable<ServerStatus> {
    static constexpr MetricPart part{.title = "Gateway"};
    static constexpr std::tuple rows = std::tuple_cat(
        reactor_rows<ReactorSum>,
        std::tuple{
            json_only(&ServerStatus::events, "events", "Total number of events given to the sink, without bad items."),
            gauge(&ServerStatus::buffer_bytes, "holdfast_buffer_bytes", "buffers.bytes",
                  "Current number of bytes in unfinished items, downlink queues and TLS sessions."),
            gauge(&ServerStatus::buffer_budget, "holdfast_buffer_budget_bytes", "buffers.budget",
                  "Current limit of holdfast_buffer_bytes (limits.buffer_budget). 0 is no limit."),
            gauge(&ServerStatus::buffer_stage, "holdfast_buffer_stage", "buffers.stage",
                  "Response to memory pressure: 0 none, 1 large items wait, 2 TLS waits, 3 shedding."),
            counter(&ServerStatus::memory_exhausted, "holdfast_memory_exhausted_total", "buffers.exhausted",
                    "Total number of times that the system refused memory. A reload restores the budget."),
            gauge([](const ServerStatus&) { return BuildInfo{}; }, "holdfast_build_info", "",
                  "Always 1. The labels name the version and the compiler.")
                .labeled({.name = "version,compiler"})});
};

template <>
struct MetricTable<TurnStatus> {
    static constexpr MetricPart part{
        .title = "Reactors",
        .where = "A turn is one iteration of the event loop. All connections of a reactor wait for it.",
        .json = "turns[].",
        .label = "reactor"};
    static constexpr std::tuple rows{
        gauge(&TurnStatus::longest, "holdfast_reactor_turn_longest_seconds", "longest_ms",
              "Longest turn since the start in seconds, by wall time and by CPU time.")
            .labeled({.name = "time", .value = "wall"}),
        gauge(&TurnStatus::longest_cpu, "holdfast_reactor_turn_longest_seconds", "longest_cpu_ms", "")
            .labeled({.name = "time", .value = "cpu"}),
        counter(&TurnStatus::long_turns, "holdfast_reactor_long_turns_total", "long",
                "Total number of turns of 100 ms and more by reactor.")};
};

template <>
struct MetricTable<SinkStatus> {
    static constexpr MetricPart part{.title = "Sink", .json = "sink."};
    static constexpr std::tuple rows{
        counter(&SinkStatus::events, "holdfast_sink_events_total", "events",
                "Total number of events taken by the sink."),
        gauge(&SinkStatus::lag_events, "holdfast_sink_lag_events", "lag_events",
              "Current number of events that the sink has taken and not written."),
        json_only(&SinkStatus::bytes, "bytes", "Total number of bytes written by the sink."),
        json_only(&SinkStatus::full, "full", "True while the sink accepts no more events."),
        flag(&SinkStatus::error, "holdfast_sink_failed", "error", "1 while the sink cannot write.")};
};

template <>
struct MetricTable<SpoolStatus> {
    using S = SpoolStatus;
    using Sessions = SessionFigures;
    static constexpr MetricPart part{
        .title = "Spool", .where = "With the sink `spool` or `nats`.", .json = "sink.spool."};
    static constexpr MetricLabel yes{.name = "authenticated", .value = "true"};
    static constexpr MetricLabel no{.name = "authenticated", .value = "false"};
    static constexpr std::tuple rows{
        gauge(&S::first, "holdfast_spool_first_position", "first_position",
              "Position of the oldest event in the spool."),
        gauge(&S::last, "holdfast_spool_last_position", "last_position", "Position of the newest durable event."),
        gauge(&S::waiting_bytes, "holdfast_spool_waiting_bytes", "waiting_bytes",
              "Current number of bytes that are appended and not durable."),
        counter(&S::commits, "holdfast_spool_commits_total", "commits",
                "Total number of commits. Each covers any number of events."),
        gauge(&S::file_bytes, "holdfast_spool_file_bytes", "file_bytes",
              "Current number of bytes in the spool's files."),
        gauge(&S::oldest, "holdfast_spool_oldest_seconds", "oldest_s", "Age of the oldest event in seconds."),
        json_only(&S::quarantined_rows, "quarantined_rows", "Current number of rows in quarantine."),
        gauge(&S::quarantined_events, "holdfast_spool_quarantined_events", "quarantined_events",
              "Current number of damaged events that retention has not removed."),
        counter(&S::read_errors, "holdfast_spool_read_errors_total", "read_errors",
                "Total number of failed reads of the spool."),
        flag(&S::read_error, "holdfast_spool_unreadable", "read_error", "1 while events of the spool cannot be read."),
        counter(&S::gateway_lost, "holdfast_spool_gateway_lost_total", "gateway_lost",
                "Total number of closed events written at the start for connections of earlier processes."),
        gauge(in<&S::sessions, &Sessions::authenticated>, "holdfast_spool_sessions", "sessions.authenticated",
              "Current number of sessions of devices by proof of identity.")
            .labeled(yes),
        gauge(in<&S::sessions, &Sessions::unauthenticated>, "holdfast_spool_sessions", "sessions.unauthenticated", "")
            .labeled(no),
        gauge(in<&S::sessions, &Sessions::max>, "holdfast_spool_sessions_max", "sessions.max",
              "Current limit of both kinds of sessions (sink.max_sessions)."),
        counter(in<&S::sessions, &Sessions::evicted_authenticated>, "holdfast_spool_sessions_evicted_total",
                "sessions.evicted_authenticated", "Total number of sessions removed because of sink.max_sessions.")
            .labeled(yes),
        counter(in<&S::sessions, &Sessions::evicted_unauthenticated>, "holdfast_spool_sessions_evicted_total",
                "sessions.evicted_unauthenticated", "")
            .labeled(no),
        counter(in<&S::sessions, &Sessions::replaced>, "holdfast_spool_sessions_replaced_total", "sessions.replaced",
                "Total number of sessions replaced by a newer one of the same id.")};
};

template <>
struct MetricTable<SpoolGroup> {
    using G = SpoolGroup;
    static constexpr MetricPart part{.title = "Consumer groups",
                                     .where = "With the sink `spool` or `nats`.",
                                     .json = "sink.spool.groups[].",
                                     .label = "group"};
    static constexpr std::tuple rows{json_only(&G::position, "position", "Position up to which the group has read."),
                                     gauge(&G::lag_events, "holdfast_spool_group_lag_events", "lag_events",
                                           "Current number of events that the group has not read."),
                                     json_only(&G::required, "required", "True if retention waits for the group.")};
};

template <>
struct MetricTable<ForwarderStatus> {
    using N = ForwarderStatus;
    static constexpr MetricPart part{.title = "NATS", .where = "With the sink `nats`.", .json = "sink.nats."};
    static constexpr std::tuple rows{
        flag(&N::connected, "holdfast_nats_connected", "connected", "1 while the gateway is connected to NATS."),
        gauge(&N::published, "holdfast_nats_published_position", "published_position",
              "Position up to which JetStream has every event."),
        json_only(&N::lag_events, "lag_events", "Current number of events that JetStream does not have."),
        gauge(&N::lag, "holdfast_sink_lag_seconds", "lag_s", "Age of the oldest event that JetStream does not have."),
        counter(&N::reconnects, "holdfast_nats_reconnects_total", "reconnects",
                "Total number of connections to NATS after the first."),
        counter(&N::retries, "holdfast_nats_retries_total", "retries",
                "Total number of times that unacknowledged messages were sent again."),
        counter(&N::duplicates, "holdfast_nats_duplicates_total", "duplicates",
                "Total number of messages that JetStream had already."),
        counter(&N::dead_letters, "holdfast_nats_dead_letters_total", "dead_letters",
                "Total number of events that NATS refused for good."),
        counter(&N::false_duplicates, "holdfast_nats_false_duplicates_total", "false_duplicates",
                "Total number of messages called duplicates that had never been sent."),
        counter(&N::foreign_acks, "holdfast_nats_foreign_acks_total", "foreign_acks",
                "Total number of ignored answers from another stream or from none."),
        counter(&N::losses, "holdfast_nats_stream_losses_total", "losses",
                "Total number of times that the stream had lost acknowledged events."),
        json_only(&N::guarantee, "guarantee", "The failures that an acknowledged event survives."),
        json_only(&N::warning, "warning", "The cost of the stream's limits."),
        flag(&N::error, "holdfast_nats_failed", "error",
             "1 while events cannot be published to NATS. They wait in the spool.")};
};

template <>
struct MetricTable<WatchStatus> {
    static constexpr MetricPart part{.title = "Population"};
    static constexpr std::tuple rows{
        json_only([](const WatchStatus& watch) { return watch.all_alarms_active(); }, "alarms_active",
                  "Current number of active alarms of all kinds."),
        gauge(&WatchStatus::alarms_active, "holdfast_alarm_active", "", "Current number of active alarms by kind.")
            .labeled(by<AlarmKind>("alarm")),
        gauge(&WatchStatus::registry_drift, "holdfast_registry_drift", "registry_drift",
              "Current number of differences between registry and kernel. NaN before the first comparison."),
        counter(in<&WatchStatus::suspicion, &SuspicionStatus::suspicions>, "holdfast_suspicions_total", "",
                "Total number of times that a prefix was probed on suspicion."),
        counter(in<&WatchStatus::suspicion, &SuspicionStatus::alive>, "holdfast_suspicion_probes_total", "",
                "Total number of connections probed on suspicion by outcome.")
            .labeled({.name = "outcome", .value = "alive"}),
        counter(in<&WatchStatus::suspicion, &SuspicionStatus::silent>, "holdfast_suspicion_probes_total", "", "")
            .labeled({.name = "outcome", .value = "silent"})};
};

template <>
struct MetricTable<ProcessStatus> {
    static constexpr MetricPart part{.title = "Process", .where = "The names are those of all Prometheus clients."};
    static constexpr std::tuple rows{
        gauge(&ProcessStatus::start_time_s, "process_start_time_seconds", "",
              "Start of the process in seconds since 1970."),
        counter(&ProcessStatus::cpu_s, "process_cpu_seconds_total", "", "Total user and system time in seconds."),
        gauge(&ProcessStatus::open_fds, "process_open_fds", "", "Current number of open descriptors."),
        gauge(&ProcessStatus::max_fds, "process_max_fds", "", "Current limit of open descriptors."),
        gauge(&ProcessStatus::resident_bytes, "process_resident_memory_bytes", "",
              "Current number of resident bytes.")};
};

template <>
struct MetricTable<AdminMeter> {
    static constexpr MetricPart part{
        .title = "Admin API", .where = "`turned_away` counts clients without a place, whose request was not read."};
    static constexpr std::tuple rows{
        counter(&AdminMeter::counts, "holdfast_admin_requests_total", "", "Total number of admin requests by outcome.")
            .labeled({.name = "outcome", .value = {}, .word = [](std::size_t i) { return admin_outcome_words[i]; }})};
};

template <>
struct MetricTable<ReloadMeter::Figures> {
    using F = ReloadMeter::Figures;
    static constexpr MetricPart part{.title = "Reloads", .json = "reloads."};
    static constexpr std::tuple rows{
        counter(&F::applied, "holdfast_reloads_total", "applied", "Total number of reloads by outcome.")
            .labeled({.name = "outcome", .value = "applied"}),
        counter(&F::refused, "holdfast_reloads_total", "refused", "").labeled({.name = "outcome", .value = "refused"}),
        flag([](const F& reloads) { return reloads.last_error.empty(); }, "holdfast_config_last_reload_successful", "",
             "1 unless the latest reload was refused."),
        json_only(&F::last_error, "last_error", "The error of the latest reload. Null if it was applied.")};
};

template <>
struct MetricTable<FleetStatus> {
    using F = FleetStatus;
    static constexpr MetricPart part{.title = "Fleet", .where = "With `[fleet]`. The fields are those of `/v1/fleet`."};
    static constexpr std::tuple rows{
        json_only(&F::known, "known_devices", "Current number of devices known to the gateway."),
        json_only(&F::unsettled, "unsettled", "Current number of own devices whose state the others do not know."),
        gauge(&F::gateways_lost, "holdfast_fleet_gateways_lost", "gateways_lost",
              "Current number of other gateways that sent no beat for lost_after and are not back."),
        gauge(&F::devices_lost, "holdfast_fleet_gateways_lost_devices", "devices_lost",
              "Number of devices that those gateways held when they were lost."),
        gauge(&F::closed_unauthenticated, "holdfast_fleet_closed_unauthenticated", "closed_unauthenticated",
              "Current number of presence records of closed unauthenticated connections."),
        counter(&F::dropped_unauthenticated, "holdfast_fleet_dropped_unauthenticated_total", "dropped_unauthenticated",
                "Total number of such records dropped because of max_closed_unauthenticated.")};
};

/// Calls `visit` with each row of Part, in table order.
template <typename Part, typename Visit>
void each_row(const Visit& visit) {
    std::apply([&visit](const auto&... row) { (visit(row), ...); }, MetricTable<Part>::rows);
}

}  // namespace holdfast
