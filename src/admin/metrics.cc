#include "admin/metrics.h"

#include <array>
#include <cstddef>
#include <limits>
#include <sstream>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace holdfast {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr const char* our_prefix = "holdfast_";

/// One family under construction. Counts fit a double exactly up to 2^53.
class Family {
public:
    Family(const char* name, const char* help, MetricType type, const char* prefix = our_prefix) {
        family_.name = std::string(prefix) + name;
        family_.help = help;
        family_.type = type;
    }

    template <typename Number>
    Family&& add(Number value, Labels labels = {}) && {
        put(value, std::move(labels));
        return std::move(*this);
    }

    void put(std::uint64_t count, Labels labels) { put(static_cast<double>(count), std::move(labels)); }

    void put(double value, Labels labels) {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.counter.value = metric.gauge.value = value;
        family_.metric.push_back(std::move(metric));
    }

    void put(const DurationHistogram& histogram, Labels labels) {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.histogram.sample_count = histogram.counts.back();
        metric.histogram.sample_sum = histogram.sum_s;
        for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
            const bool last = i == duration_bounds_s.size();
            const double bound = last ? std::numeric_limits<double>::infinity() : duration_bounds_s[i];
            metric.histogram.bucket.push_back({histogram.counts[i], bound});
        }
        family_.metric.push_back(std::move(metric));
    }

    MetricFamily&& take() && { return std::move(family_); }

private:
    MetricFamily family_;
};

void add_to(DurationHistogram& sum, const DurationHistogram& more) {
    for (std::size_t i = 0; i < sum.counts.size(); ++i) sum.counts[i] += more.counts[i];
    sum.sum_s += more.sum_s;
}

std::string word(std::string_view text) { return std::string(text); }

using Families = std::vector<MetricFamily>;

/// A family with one value a listener, read by `get`.
template <typename Get>
MetricFamily per_listener(const ServerStatus& status, const char* name, const char* help, MetricType type, Get get) {
    Family family(name, help, type);
    for (const ListenerStatus& listener : status.listeners) family.put(get(listener), {{"listener", listener.name}});
    return std::move(family).take();
}

void add_connections(Families& out, const ServerStatus& status) {
    out.push_back(per_listener(status, "connections", "Connections held now.", MetricType::Gauge,
                               [](const ListenerStatus& l) { return l.connections; }));
    out.push_back(per_listener(status, "connections_accepted_total", "Connections accepted.", MetricType::Counter,
                               [](const ListenerStatus& l) { return l.accepted; }));
    out.push_back(per_listener(status, "connections_opening", "Of those held, not open yet: a PROXY header is to come.",
                               MetricType::Gauge, [](const ListenerStatus& l) { return l.opening; }));
    out.push_back(per_listener(status, "suspect_connections",
                               "Connections held now that did not answer when they were probed on suspicion.",
                               MetricType::Gauge, [](const ListenerStatus& l) { return l.suspects; }));
    out.push_back(per_listener(status, "suspects_recovered_total", "Suspect connections that answered again.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.recovered; }));
    out.push_back(per_listener(status, "health_checks_total",
                               "A proxy's own connections that ended without a byte of a device.", MetricType::Counter,
                               [](const ListenerStatus& l) { return l.health_checks; }));
    Family refused("connections_refused_total",
                   "Connections turned away by a limit; times that accepting paused for want of descriptors.",
                   MetricType::Counter);
    Family closed("connections_closed_total", "Connections ended, by the reason of their closed event.",
                  MetricType::Counter);
    for (const ListenerStatus& l : status.listeners) {
        for (std::size_t limit = 0; limit < refused_by_count; ++limit) {
            refused.put(l.refused[limit],
                        {{"listener", l.name}, {"limit", word(to_string(static_cast<RefusedBy>(limit)))}});
        }
        refused.put(l.refused_descriptors, {{"listener", l.name}, {"limit", "descriptors"}});
        for (const CloseReason reason : all_close_reasons) {
            closed.put(l.closed[static_cast<std::size_t>(reason)],
                       {{"listener", l.name}, {"reason", word(to_string(reason))}});
        }
    }
    out.push_back(std::move(refused).take());
    out.push_back(std::move(closed).take());
}

void add_durations(Families& out, const ServerStatus& status) {
    DurationHistogram lives;
    std::array<DurationHistogram, close_reason_count> detections;
    for (const ListenerStatus& listener : status.listeners) {
        add_to(lives, listener.duration);
        for (std::size_t i = 0; i < close_reason_count; ++i) add_to(detections[i], listener.detection[i]);
    }
    Family duration("connection_duration_seconds", "How long connections that have ended lived.",
                    MetricType::Histogram);
    duration.put(lives, {});
    out.push_back(std::move(duration).take());
    Family detection("detection_seconds", "From a peer's last sign of life to the close of its connection.",
                     MetricType::Histogram);
    for (const CloseReason reason : all_close_reasons) {
        detection.put(detections[static_cast<std::size_t>(reason)], {{"reason", word(to_string(reason))}});
    }
    out.push_back(std::move(detection).take());
    out.push_back(per_listener(status, "found_late_total", "Silent peers that were found later than detect_within.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.found_late; }));
}

/// Of listeners with TLS only.
void add_tls(Families& out, const ServerStatus& status) {
    Family handshakes("tls_handshakes_total", "TLS handshakes that came to an end, by how.", MetricType::Counter);
    Family under_way("tls_handshakes", "TLS handshakes under way now.", MetricType::Gauge);
    Family took("tls_handshake_seconds", "From accept to the end of a TLS handshake that was good.",
                MetricType::Histogram);
    Family expiry("tls_certificate_expiry_timestamp_seconds", "Until when the listener's certificate is good.",
                  MetricType::Gauge);
    for (const ListenerStatus& l : status.listeners) {
        if (!l.tls_good_until) continue;
        handshakes.put(l.handshakes_full, {{"listener", l.name}, {"outcome", "full"}});
        handshakes.put(l.handshakes_resumed, {{"listener", l.name}, {"outcome", "resumed"}});
        handshakes.put(l.handshakes_failed, {{"listener", l.name}, {"outcome", "failed"}});
        under_way.put(l.handshakes, {{"listener", l.name}});
        took.put(l.handshake, {{"listener", l.name}});
        expiry.put(static_cast<std::uint64_t>(
                       std::chrono::floor<std::chrono::seconds>(*l.tls_good_until).time_since_epoch().count()),
                   {{"listener", l.name}});
    }
    for (Family* each : {&handshakes, &under_way, &took, &expiry}) out.push_back(std::move(*each).take());
}

void add_items(Families& out, const ServerStatus& status) {
    out.push_back(per_listener(status, "items_total", "Items decoded.", MetricType::Counter,
                               [](const ListenerStatus& l) { return l.items; }));
    Family bad("bad_items_total", "Items that were not one, by kind.", MetricType::Counter);
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
    for (const ListenerStatus& l : status.listeners) {
        for (std::size_t kind = 0; kind < bad_item_count; ++kind) {
            bad.put(l.bad_items[kind], {{"listener", l.name}, {"kind", word(to_string(static_cast<BadItem>(kind)))}});
        }
        received += l.bytes_in;
        sent += l.bytes_out;
    }
    out.push_back(std::move(bad).take());
    out.push_back(per_listener(status, "unfinished_items_total",
                               "Total number of items cut off by their connection's end.", MetricType::Counter,
                               [](const ListenerStatus& l) { return l.unfinished_items; }));
    out.push_back(
        Family("received_bytes_total", "Bytes received from devices.", MetricType::Counter).add(received).take());
    out.push_back(Family("sent_bytes_total", "Bytes sent to devices.", MetricType::Counter).add(sent).take());
}

void add_identity(Families& out, const ServerStatus& status) {
    out.push_back(per_listener(status, "identified_connections", "Connections held now whose device has said its id.",
                               MetricType::Gauge, [](const ListenerStatus& l) { return l.identified; }));
    out.push_back(per_listener(status, "acks_total", "Acknowledgements sent, each for any number of items.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.acks; }));
    out.push_back(per_listener(status, "repeated_items_total", "Numbered items that had been taken before, dropped.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.repeated_items; }));
    out.push_back(per_listener(status, "gaps_total", "Numbered items that came before the expected one, dropped.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.gaps; }));
    out.push_back(per_listener(status, "stale_claims_total",
                               "Claims on an id that took nothing: the peer had shut down, or a later one has it.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.stale_claims; }));
    out.push_back(per_listener(status, "delayed_claims_total",
                               "Claims on an id that waited, because it was taken over again and again.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.delayed_claims; }));
}

double seconds(std::chrono::microseconds time) { return std::chrono::duration<double>(time).count(); }

void add_turns(Families& out, const ServerStatus& status) {
    Family longest("reactor_turn_longest_seconds",
                   "Longest turn of a reactor's event loop since it started, by wall time and by CPU time.",
                   MetricType::Gauge);
    Family many("reactor_long_turns_total", "Total number of turns of 100 ms and more by reactor.",
                MetricType::Counter);
    for (std::size_t i = 0; i < status.turns.size(); ++i) {
        const std::string reactor = std::to_string(i);
        longest.put(seconds(status.turns[i].longest), {{"reactor", reactor}, {"time", "wall"}});
        longest.put(seconds(status.turns[i].longest_cpu), {{"reactor", reactor}, {"time", "cpu"}});
        many.put(status.turns[i].long_turns, {{"reactor", reactor}});
    }
    out.push_back(std::move(longest).take());
    out.push_back(std::move(many).take());
}

void add_gateway(Families& out, const ServerStatus& status) {
    out.push_back(
        Family("probes_total", "Connections asked whether their peer is there, by what was found.", MetricType::Counter)
            .add(status.probes_alive, {{"outcome", "alive"}})
            .add(status.probes_silent, {{"outcome", "silent"}})
            .take());
    out.push_back(Family("asked_ahead_total",
                         "Connections asked ahead of the kernel's keep-alive: in turn, or drawn at random as canaries.",
                         MetricType::Counter)
                      .add(status.asked_ahead)
                      .take());
    add_turns(out, status);
    out.push_back(Family("build_info", "Always 1; the labels say which build this is.", MetricType::Gauge)
                      .add(1.0, {{"version", word(version())}, {"compiler", __VERSION__}})
                      .take());
}

void add_spool(Families& out, const SinkStatus::SpoolPart& spool) {
    const auto add = [&out](const char* name, const char* help, MetricType type, std::uint64_t value) {
        out.push_back(Family(name, help, type).add(value).take());
    };
    add("spool_last_position", "Position of the newest durable event.", MetricType::Gauge, spool.last);
    add("spool_first_position", "Position of the oldest event that is still there.", MetricType::Gauge, spool.first);
    add("spool_waiting_bytes", "Appended and not durable yet.", MetricType::Gauge, spool.waiting_bytes);
    add("spool_commits_total", "Commits; each is for any number of events.", MetricType::Counter, spool.commits);
    add("spool_file_bytes", "Of the spool's files.", MetricType::Gauge, spool.file_bytes);
    add("spool_quarantined_events", "Current number of events in the spool that are damaged.", MetricType::Gauge,
        spool.quarantined_events);
    add("spool_read_errors_total", "Total number of reads of the spool that failed.", MetricType::Counter,
        spool.read_errors);
    add("spool_unreadable", "1 while events of the spool cannot be read.", MetricType::Gauge,
        spool.read_error.empty() ? 0 : 1);
    add("spool_gateway_lost_total",
        "Total number of closed events that were written at start for connections of an earlier process.",
        MetricType::Counter, spool.gateway_lost);
    out.push_back(Family("spool_oldest_seconds", "Age of the oldest event.", MetricType::Gauge)
                      .add(std::chrono::duration<double>(spool.oldest).count())
                      .take());
    const SinkStatus::SessionsPart& sessions = spool.sessions;
    out.push_back(Family("spool_sessions", "Current number of sessions of devices by proof.", MetricType::Gauge)
                      .add(sessions.authenticated, {{"authenticated", "true"}})
                      .add(sessions.unauthenticated, {{"authenticated", "false"}})
                      .take());
    add("spool_sessions_max", "Number of sessions that the spool remembers at most.", MetricType::Gauge, sessions.most);
    out.push_back(Family("spool_sessions_evicted_total",
                         "Total number of sessions forgotten because of max_sessions by proof.", MetricType::Counter)
                      .add(sessions.evicted_authenticated, {{"authenticated", "true"}})
                      .add(sessions.evicted_unauthenticated, {{"authenticated", "false"}})
                      .take());
    add("spool_sessions_replaced_total", "Total number of sessions forgotten for a newer one of the same id.",
        MetricType::Counter, sessions.replaced);
    Family lag("spool_group_lag_events", "Events that a group of consumers has not had yet.", MetricType::Gauge);
    for (const SinkStatus::GroupPart& group : spool.groups) lag.put(group.lag_events, {{"group", group.name}});
    out.push_back(std::move(lag).take());
}

void add_nats(Families& out, const SinkStatus::NatsPart& nats) {
    const auto add = [&out](const char* name, const char* help, MetricType type, auto value) {
        out.push_back(Family(name, help, type).add(value).take());
    };
    add("nats_connected", "1 while there is a connection to NATS.", MetricType::Gauge,
        std::uint64_t{nats.connected ? 1U : 0U});
    add("nats_failed", "1 while events cannot be published to NATS; they wait in the spool.", MetricType::Gauge,
        std::uint64_t{nats.error.empty() ? 0U : 1U});
    add("nats_published_position", "JetStream has every event up to this position of the spool.", MetricType::Gauge,
        nats.published);
    add("nats_reconnects_total", "Connections to NATS after the first.", MetricType::Counter, nats.reconnects);
    add("nats_retries_total", "Times that messages without an acknowledgement were sent again.", MetricType::Counter,
        nats.retries);
    add("nats_duplicates_total", "Messages that JetStream had already.", MetricType::Counter, nats.duplicates);
    add("nats_dead_letters_total", "Total number of events that NATS did not take as they are.", MetricType::Counter,
        nats.dead_letters);
    add("nats_false_duplicates_total",
        "Total number of messages that JetStream called duplicates and that had never been sent.", MetricType::Counter,
        nats.false_duplicates);
    add("nats_foreign_acks_total", "Total number of answers that were not of the stream, and were not believed.",
        MetricType::Counter, nats.foreign_acks);
    add("nats_stream_losses_total", "Total number of times that the stream had lost what it had acknowledged.",
        MetricType::Counter, nats.losses);
    add("sink_lag_seconds", "Age of the oldest event that is not in NATS yet.", MetricType::Gauge,
        std::chrono::duration<double>(nats.lag).count());
}

void add_sink(Families& out, const SinkStatus& sink) {
    out.push_back(Family("sink_events_total", "Events that the sink has taken over.", MetricType::Counter)
                      .add(sink.events)
                      .take());
    out.push_back(
        Family("sink_lag_events", "Events that the sink has taken over and not written yet.", MetricType::Gauge)
            .add(sink.lag_events)
            .take());
    out.push_back(Family("sink_failed", "1 while the sink cannot write.", MetricType::Gauge)
                      .add(std::uint64_t{sink.error.empty() ? 0U : 1U})
                      .take());
    if (sink.spool) add_spool(out, *sink.spool);
    if (sink.nats) add_nats(out, *sink.nats);
}

void add_pauses(Families& out, const ServerStatus& status) {
    out.push_back(
        Family("buffer_bytes", "What connections hold: unfinished items and downlink queues.", MetricType::Gauge)
            .add(std::uint64_t{status.buffer_bytes})
            .take());
    out.push_back(Family("buffer_budget_bytes", "limits.buffer_budget; 0: no limit.", MetricType::Gauge)
                      .add(std::uint64_t{status.buffer_budget})
                      .take());
    out.push_back(
        Family(
            "buffer_stage",
            "What is done about it: 0 nothing, 1 the largest are not read, 2 no TLS session beside idle ones, 3 shed.",
            MetricType::Gauge)
            .add(std::uint64_t{status.buffer_stage})
            .take());
    out.push_back(Family("memory_exhausted_total",
                         "Times that the system gave no more memory, and the budget was lowered.", MetricType::Counter)
                      .add(status.memory_exhausted)
                      .take());
    out.push_back(per_listener(status, "accept_delays_total", "Connections that waited for accept_rate.",
                               MetricType::Counter, [](const ListenerStatus& l) { return l.accept_delays; }));
    out.push_back(per_listener(status, "accept_waiting", "Connections that wait for accept_rate now.",
                               MetricType::Gauge, [](const ListenerStatus& l) { return l.accept_waiting; }));
    out.push_back(Family("reading_paused", "1 while the sink takes no more and devices wait.", MetricType::Gauge)
                      .add(std::uint64_t{status.reading_paused ? 1U : 0U})
                      .take());
    out.push_back(per_listener(status, "accept_paused", "1 while accepting is paused for want of descriptors.",
                               MetricType::Gauge,
                               [](const ListenerStatus& l) { return std::uint64_t{l.accept_paused ? 1U : 0U}; }));
}

void add_watch(Families& out, const WatchStatus& watch) {
    Family alarms("alarm_active", "Alarms that are active, by kind.", MetricType::Gauge);
    for (const AlarmKind kind : all_alarm_kinds) {
        alarms.put(watch.alarms_active[static_cast<std::size_t>(kind)], {{"alarm", word(to_string(kind))}});
    }
    out.push_back(std::move(alarms).take());
    // Not known is not zero.
    const double drift =
        watch.registry_drift ? static_cast<double>(*watch.registry_drift) : std::numeric_limits<double>::quiet_NaN();
    out.push_back(Family("registry_drift",
                         "Connections in which registry and kernel disagreed at the latest comparison; NaN before it.",
                         MetricType::Gauge)
                      .add(drift)
                      .take());
    out.push_back(Family("suspicions_total", "Times that a whole prefix was probed because some of it fell silent.",
                         MetricType::Counter)
                      .add(watch.suspicion.suspicions)
                      .take());
    out.push_back(
        Family("suspicion_probes_total", "Connections probed on suspicion, by what was found.", MetricType::Counter)
            .add(watch.suspicion.alive, {{"outcome", "alive"}})
            .add(watch.suspicion.silent, {{"outcome", "silent"}})
            .take());
}

void add_process(Families& out, const ProcessStatus& process) {
    const auto add = [&out](const char* name, const char* help, MetricType type, auto value) {
        out.push_back(Family(name, help, type, "process_").add(value).take());
    };
    add("start_time_seconds", "When the process started, since 1970.", MetricType::Gauge, process.start_time_s);
    add("cpu_seconds_total", "User and system time spent.", MetricType::Counter, process.cpu_s);
    add("open_fds", "Descriptors open.", MetricType::Gauge, process.open_fds);
    add("max_fds", "Descriptors that may be open.", MetricType::Gauge, process.max_fds);
    add("resident_memory_bytes", "Memory resident.", MetricType::Gauge, process.resident_bytes);
}

void add_admin(Families& out, const AdminMeter& admin) {
    Family requests("admin_requests_total", "Requests to the admin API, by what became of them.", MetricType::Counter);
    for (std::size_t i = 0; i < admin_outcome_words.size(); ++i) {
        requests.put(admin.of(static_cast<AdminOutcome>(i)), {{"outcome", std::string(admin_outcome_words[i])}});
    }
    out.push_back(std::move(requests).take());
}

void add_reloads(Families& out, const ReloadMeter::Figures& reloads) {
    out.push_back(Family("reloads_total", "Total number of reloads by outcome.", MetricType::Counter)
                      .add(reloads.applied, {{"outcome", "applied"}})
                      .add(reloads.refused, {{"outcome", "refused"}})
                      .take());
    out.push_back(Family("config_last_reload_successful",
                         "1 if the latest reload was applied or none was asked for, else 0.", MetricType::Gauge)
                      .add(std::uint64_t{reloads.last_error.empty() ? 1U : 0U})
                      .take());
}

void add_fleet(Families& out, const FleetOverview& fleet) {
    out.push_back(Family("fleet_closed_unauthenticated",
                         "Current number of presence records of closed unauthenticated connections.", MetricType::Gauge)
                      .add(fleet.closed_unauthenticated)
                      .take());
    out.push_back(Family("fleet_dropped_unauthenticated_total",
                         "Total number of such records not kept because of max_closed_unauthenticated.",
                         MetricType::Counter)
                      .add(fleet.dropped_unauthenticated)
                      .take());
}

}  // namespace

std::string render_metrics(const MetricsParts& parts) {
    Families families;
    add_connections(families, parts.status);
    add_durations(families, parts.status);
    add_tls(families, parts.status);
    add_items(families, parts.status);
    add_identity(families, parts.status);
    add_gateway(families, parts.status);
    add_pauses(families, parts.status);
    if (parts.sink != nullptr) add_sink(families, *parts.sink);
    if (parts.watch != nullptr) add_watch(families, *parts.watch);
    if (parts.process != nullptr) add_process(families, *parts.process);
    if (parts.admin != nullptr) add_admin(families, *parts.admin);
    if (parts.reloads != nullptr) add_reloads(families, parts.reloads->figures());
    if (parts.fleet != nullptr) add_fleet(families, *parts.fleet);
    std::ostringstream out;
    out.imbue(std::locale::classic());
    prometheus::TextSerializer().Serialize(out, families);
    return out.str();
}

}  // namespace holdfast
