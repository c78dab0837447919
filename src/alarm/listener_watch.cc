#include "alarm/listener_watch.h"

#include "model/counter_rows.h"

namespace holdfast {

ListenerWatch::Counts ListenerWatch::counts_of(const ListenerStatus& status) {
    return {status.accepted,  status.refused_descriptors, status.closed,   status.items,
            status.bad_items, status.suspected,           status.recovered};
}

void ListenerWatch::note(const Observation& observation) {
    if (observation.kind != Observation::Kind::closed) return silent_.note(observation);
    keepalive_.note(observation, plan_);
    idle_timeout_.note(observation);
}

ListenerStep ListenerWatch::step_to(const ListenerStatus& status) {
    const Counts now = counts_of(status);
    ListenerStep step{.name = name_, .number = number_, .plan = plan_, .history = history_};
    step.population = status.connections;
    step.read_idle = status.read_idle;
    step.accept_paused = status.accept_paused;
    step.accepted = counter_growth(now.accepted, last_.accepted);
    step.refused_descriptors = counter_growth(now.refused_descriptors, last_.refused_descriptors);
    for (std::size_t i = 0; i < now.closed.size(); ++i) {
        const std::uint64_t closed = counter_growth(now.closed[i], last_.closed[i]);
        if (closed == 0) continue;
        if (const auto kind = row_of(all_close_reasons[i]).close_class)
            step.closes[static_cast<std::size_t>(*kind)] += closed;
        if (all_close_reasons[i] == CloseReason::superseded) step.superseded = closed;
    }
    step.suspects = status.suspects;
    step.suspected = counter_growth(now.suspected, last_.suspected);
    step.recovered = counter_growth(now.recovered, last_.recovered);
    step.items = counter_growth(now.items, last_.items);
    for (std::size_t i = 0; i < now.bad_items.size(); ++i) {
        step.bad_items[i] = counter_growth(now.bad_items[i], last_.bad_items[i]);
    }
    last_ = now;
    return step;
}

void ListenerWatch::evaluate(const Sample& sample, const ListenerStatus& status) {
    plan_ = status.plan;
    history_.forget_before(drops_.needs_since(sample.now, sample.settings));
    history_.add(sample.now, status.connections);
    const ListenerStep step = step_to(status);
    drops_.evaluate(sample, step);
    storm_.evaluate(sample, step);
    items_.evaluate(sample, step);
    keepalive_.evaluate(sample, step);
    accepting_.evaluate(sample, step);
    silent_.evaluate(sample, step);
    idle_timeout_.evaluate(sample, step);
}

void ListenerWatch::end(AlarmBook& book) {
    drops_.gone(book);
    storm_.end(book);
    items_.end(book);
    keepalive_.end(book);
    accepting_.end(book);
    silent_.end(book);
    idle_timeout_.end(book);
}

}  // namespace holdfast
