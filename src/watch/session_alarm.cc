#include "watch/session_alarm.h"

#include <utility>

#include "base/units.h"
#include "watch/explain.h"

namespace holdfast {

void SessionWatch::look(AlarmBook& book, const AlarmInput& input) {
    const SinkHealth::Sessions& sessions = input.sink.sessions;
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

void SessionWatch::explain(Alarm& alarm, const SinkHealth::Sessions& sessions) {
    alarm.count = sessions.evicted_authenticated + sessions.evicted_unauthenticated;
    alarm.summary = "more than " + with_commas(sessions.most) +
                    " sessions of devices: " + with_commas(sessions.evicted_unauthenticated) + " unauthenticated and " +
                    with_commas(sessions.evicted_authenticated) + " authenticated ones were forgotten";
    alarm.cause =
        sessions.evicted_authenticated > 0
            ? "More authenticated devices than max_sessions number their items."
            : "Many sessions without proof were opened: strangers, or devices that begin a new session often.";
    alarm.advice =
        "A forgotten session costs repetitions and no item. Raise max_sessions in [sink] if the devices are yours; "
        "else "
        "let devices prove their ids (tokens_file, tls_client).";
}

}  // namespace holdfast
