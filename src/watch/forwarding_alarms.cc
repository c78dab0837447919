#include "watch/forwarding_alarms.h"

#include <utility>

#include "base/printable.h"

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
    "After a restored snapshot there is nothing to do: the events of both are in NATS."};

const ForwardingWatch::Kind ForwardingWatch::dead_letter{
    AlarmKind::dead_letter, "NATS does not take an event as it is.",
    "A dead letter stands in its place there, and the spool has it: read it with holdfast consume. Raise max_payload "
    "of NATS or max_msg_size of the stream, or lower item.max_bytes."};

const ForwardingWatch::Kind ForwardingWatch::fleet_cut_off{
    AlarmKind::fleet_cut_off, "This gateway is cut off from NATS, or another one has its name.",
    "Its devices are served, and the others show them as unknown, then as closed; here all devices of other gateways "
    "are unknown. Mend the way to NATS, or give each gateway its own name in [fleet]."};

const ForwardingWatch::Kind ForwardingWatch::presence_budget{
    AlarmKind::presence_budget, "Many connections without proof said ids and ended: somebody invents ids.",
    "Let devices prove their ids (tokens_file, tls_client), or raise max_closed_unauthenticated in [fleet] if the "
    "devices are yours."};

void ForwardingWatch::look_at(Episode& episode, AlarmBook& book, const AlarmInput& input, const Kind& kind,
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

void ForwardingWatch::look(AlarmBook& book, const AlarmInput& input) {
    const SinkHealth::Forwarding none;
    const SinkHealth::Forwarding& forwarding = input.sink.forwarding ? *input.sink.forwarding : none;
    look_at(loss_, book, input, stream_loss, forwarding.loss);
    look_at(twin_, book, input, twin_gateway, forwarding.twin);
    look_at(letter_, book, input, dead_letter, forwarding.dead_letter);
    look_at(cut_off_, book, input, fleet_cut_off, input.sink.fleet.cut_off);
    look_at(budget_, book, input, presence_budget, input.sink.fleet.budget);
}

}  // namespace holdfast
