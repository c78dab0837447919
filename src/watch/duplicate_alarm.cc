#include "watch/duplicate_alarm.h"

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "watch/explain.h"

namespace holdfast {

void DuplicateWatch::look(AlarmBook& book, const AlarmInput& input) {
    const std::vector<DuplicateDevice>& duplicates = input.status.duplicates;
    if (duplicates.empty()) return episode_.end(book);
    std::size_t population = 0;
    for (const ListenerStatus& listener : input.status.listeners) population += listener.connections;
    if (!episode_.active()) {
        Alarm alarm;
        alarm.kind = AlarmKind::duplicate_device;
        alarm.population_before = population;
        explain(alarm, duplicates);
        episode_.raise(book, std::move(alarm));
    }
    Alarm& alarm = episode_.alarm(book);
    alarm.population_now = population;
    explain(alarm, duplicates);
}

void DuplicateWatch::explain(Alarm& alarm, const std::vector<DuplicateDevice>& duplicates) {
    constexpr std::size_t max_named = 5;
    alarm.count = duplicates.size();
    alarm.summary = with_commas(duplicates.size()) + (duplicates.size() == 1 ? " id is" : " ids are") +
                    " used by several devices: ";
    for (std::size_t i = 0; i < std::min(duplicates.size(), max_named); ++i) {
        const DuplicateDevice& one = duplicates[i];
        alarm.summary += (i == 0 ? "" : "; ") + in_quotes(one.id) + " at " + to_string(one.holder) + " and " +
                         to_string(one.claimant) + ", " + with_commas(one.takeovers) + " takeovers";
    }
    if (duplicates.size() > max_named) alarm.summary += "; ...";
    alarm.cause =
        "Each of the devices connects again as soon as the other has taken the id: their configuration was cloned, or "
        "one of them is not whom it says.";
    alarm.advice =
        "Give each device its own id, and ask for tokens or certificates if one of them is a stranger; until then "
        "takeovers of such an id are delayed by up to 10 s.";
}

}  // namespace holdfast
