#include "watch/spool_alarms.h"

#include <utility>

#include "base/printable.h"
#include "base/units.h"
#include "watch/explain.h"

namespace holdfast {
namespace {

using Explain = void (*)(Alarm&, const SinkHealth::Reading&);

void follow(Episode& episode, AlarmKind kind, bool wrong, Explain explain, AlarmBook& book, const AlarmInput& input) {
    if (!wrong && !episode.active()) return;
    if (!episode.active()) {
        Alarm alarm;
        alarm.kind = kind;
        for (const ListenerStatus& listener : input.status.listeners) alarm.population_before += listener.connections;
        alarm.population_now = alarm.population_before;
        explain(alarm, input.sink.reading);
        episode.raise(book, std::move(alarm));
    }
    if (wrong) explain(episode.alarm(book), input.sink.reading);
    episode.see(book, input.now, !wrong, SpoolWatch::right_for);
}

}  // namespace

void SpoolWatch::look(AlarmBook& book, const AlarmInput& input) {
    const SinkHealth::Reading& reading = input.sink.reading;
    follow(unreadable_, AlarmKind::spool_unreadable, !reading.error.empty(), explain_error, book, input);
    follow(damaged_, AlarmKind::spool_damaged, reading.damaged_events > 0, explain_damage, book, input);
}

void SpoolWatch::explain_error(Alarm& alarm, const SinkHealth::Reading& reading) {
    alarm.summary = printable(reading.error);
    alarm.cause =
        "Reading from the spool fails: the disk, its controller, a limit of descriptors or the rights of the file.";
    alarm.advice =
        "Events are read again until they can be; no consumer is moved past them and nothing is lost. See the kernel's "
        "log (dmesg) for the disk.";
}

void SpoolWatch::explain_damage(Alarm& alarm, const SinkHealth::Reading& reading) {
    alarm.count = reading.damaged_events;
    alarm.summary =
        with_commas(reading.damaged_events) +
        (reading.damaged_events == 1 ? " event in the spool is damaged" : " events in the spool are damaged");
    alarm.cause = "Several fresh reads returned bytes that are not what was written, or no row at all.";
    alarm.advice =
        "Consumers pass these events. The log and the table quarantine in spool.db name their positions; check the "
        "disk "
        "and its cables. They leave the quarantine when they can be read again, or when retention removes them.";
}

}  // namespace holdfast
