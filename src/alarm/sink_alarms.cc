#include "alarm/sink_alarms.h"

#include <utility>

#include "alarm/explain.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {

const ForwardingWatch::Kind ForwardingWatch::stream_loss{
    AlarmKind::stream_loss,
    "NATS has lost events that it had acknowledged: its stream was deleted or purged, or its files went back to an "
    "earlier state.",
    "The gateway publishes again what its spool still has, so consumers may see events twice. Find out what happened "
    "to the stream (nats stream info, the log of nats-server); three replicas survive a loss of power of one server."};

const ForwardingWatch::Kind ForwardingWatch::twin_gateway{
    AlarmKind::twin_gateway,
    "A machine was cloned or a snapshot restored, and two gateways have one spool or one name.",
    "Give each gateway its own: remove the spool's directory of the copy before its start, and set name in [fleet]. "
    "After a restored snapshot no action is needed: the events of both are in NATS."};

const ForwardingWatch::Kind ForwardingWatch::dead_letter{
    AlarmKind::dead_letter, "NATS rejects an event in its original form.",
    "A dead letter replaces it in NATS, and the spool has the original: read it with holdfast consume. Raise "
    "max_payload "
    "of NATS or max_msg_size of the stream, or lower item.max_bytes."};

const ForwardingWatch::Kind ForwardingWatch::fleet_cut_off{
    AlarmKind::fleet_cut_off, "This gateway is cut off from NATS, or another gateway has its name.",
    "Its devices are served, but other gateways show them as unknown, then as closed; here all devices of other "
    "gateways "
    "are unknown. Repair the path to NATS, or give each gateway its own name in [fleet]."};

const ForwardingWatch::Kind ForwardingWatch::fleet_gateway_lost{
    AlarmKind::fleet_gateway_lost,
    "The process or the host of the gateway has ended, is paused, or is cut off from NATS.",
    "Check the gateway with systemctl status holdfast on its host. Its devices reconnect to the other gateways if "
    "their "
    "addresses or the load balancer lead there; holdfast status --fleet shows where devices are now."};

const ForwardingWatch::Kind ForwardingWatch::presence_budget{
    AlarmKind::presence_budget, "Many unauthenticated connections claimed ids and ended: a client invents ids.",
    "Require authentication (tokens_file, tls_client), or raise max_closed_unauthenticated in [fleet] if the "
    "devices are yours."};

void ForwardingWatch::follow(Episode& episode, AlarmBook& book, const AlarmInput& input, const Kind& kind,
                             const std::string& what) {
    if (!episode.active() && what.empty()) return;
    std::size_t population = 0;
    for (const ListenerStatus& listener : input.status.listeners) population += listener.connections;
    if (!episode.active()) {
        Alarm alarm;
        alarm.kind = kind.kind;
        alarm.population_before = population;
        alarm.cause = kind.cause;
        alarm.advice = kind.advice;
        alarm.summary = printable(what);
        episode.raise(book, std::move(alarm));
    }
    Alarm& alarm = episode.alarm(book);
    alarm.population_now = population;
    if (!what.empty()) alarm.summary = printable(what);
    episode.see(book, input.now, what.empty(), gone_for);
}

void ForwardingWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    const ForwarderStatus nats = input.sink.nats.value_or(ForwarderStatus());
    follow(loss_, book, input, stream_loss, nats.loss);
    follow(twin_, book, input, twin_gateway, input.fleet.twin.empty() ? nats.rival : input.fleet.twin);
    follow(letter_, book, input, dead_letter, nats.dead_letter);
    follow(cut_off_, book, input, fleet_cut_off, input.fleet.cut_off);
    follow(gateway_lost_, book, input, fleet_gateway_lost, input.fleet.lost);
    follow(budget_, book, input, presence_budget, input.fleet.budget);
}

void SessionWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    const SessionFigures sessions = input.sink.spool ? input.sink.spool->sessions : SessionFigures();
    const std::uint64_t evicted = sessions.evicted_authenticated + sessions.evicted_unauthenticated;
    const bool wrong = evicted > std::exchange(seen_, evicted);
    if (!wrong && !episode_.active()) return;
    if (!episode_.active()) {
        Alarm alarm;
        alarm.kind = AlarmKind::session_budget;
        for (const ListenerStatus& listener : input.status.listeners) alarm.population_before += listener.connections;
        alarm.population_now = alarm.population_before;
        explain(alarm, sessions);
        episode_.raise(book, std::move(alarm));
    }
    if (wrong) explain(episode_.alarm(book), sessions);
    episode_.see(book, input.now, !wrong, quiet_for);
}

void SessionWatch::explain(Alarm& alarm, const SessionFigures& sessions) {
    alarm.count = sessions.evicted_authenticated + sessions.evicted_unauthenticated;
    alarm.summary = "more than " + with_commas(sessions.max) +
                    " sessions of devices: " + with_commas(sessions.evicted_unauthenticated) + " unauthenticated and " +
                    with_commas(sessions.evicted_authenticated) + " authenticated ones were evicted";
    alarm.cause = sessions.evicted_authenticated > 0
                      ? "More authenticated devices than max_sessions number their items."
                      : "Unauthenticated connections opened many sessions, or devices start a new session often.";
    alarm.advice =
        "An evicted session causes repetitions, but loses no item. Raise max_sessions in [sink] if the devices are "
        "yours; "
        "else "
        "require authentication (tokens_file, tls_client).";
}

namespace {

using Explain = void (*)(Alarm&, const SpoolStatus&);

void follow(Episode& episode, AlarmKind kind, bool wrong, Explain explain, const SpoolStatus& spool, AlarmBook& book,
            const AlarmInput& input) {
    if (!wrong && !episode.active()) return;
    if (!episode.active()) {
        Alarm alarm;
        alarm.kind = kind;
        for (const ListenerStatus& listener : input.status.listeners) alarm.population_before += listener.connections;
        alarm.population_now = alarm.population_before;
        explain(alarm, spool);
        episode.raise(book, std::move(alarm));
    }
    if (wrong) explain(episode.alarm(book), spool);
    episode.see(book, input.now, !wrong, SpoolWatch::right_for);
}

}  // namespace

void SpoolWatch::evaluate(AlarmBook& book, const AlarmInput& input) {
    const SpoolStatus spool = input.sink.spool.value_or(SpoolStatus());
    follow(unreadable_, AlarmKind::spool_unreadable, !spool.read_error.empty(), explain_error, spool, book, input);
    follow(damaged_, AlarmKind::spool_damaged, spool.quarantined_events > 0, explain_damage, spool, book, input);
}

void SpoolWatch::explain_error(Alarm& alarm, const SpoolStatus& spool) {
    alarm.summary = printable(spool.read_error);
    alarm.cause =
        "Reading from the spool fails: the disk, its controller, a limit of descriptors or the rights of the file.";
    alarm.advice =
        "Reads are retried until they succeed; no consumer skips the events and nothing is lost. See the kernel's "
        "log (dmesg) for the disk.";
}

void SpoolWatch::explain_damage(Alarm& alarm, const SpoolStatus& spool) {
    alarm.count = spool.quarantined_events;
    alarm.summary =
        with_commas(spool.quarantined_events) +
        (spool.quarantined_events == 1 ? " event in the spool is damaged" : " events in the spool are damaged");
    alarm.cause = "Several independent reads returned other bytes than were written, or no row at all.";
    alarm.advice =
        "Consumers skip these events. The log and the table quarantine in spool.db name their positions; check the "
        "disk "
        "and its cables. They leave the quarantine when they can be read again, or when retention removes them.";
}

}  // namespace holdfast
