#include "alarm/alarm_book.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/check.h"

namespace holdfast {
namespace {

auto find(std::vector<Alarm>& alarms, std::uint64_t id) {
    return std::find_if(alarms.begin(), alarms.end(), [id](const Alarm& alarm) { return alarm.id == id; });
}

}  // namespace

void AlarmBook::restore(AlarmBoard former) {
    board_ = std::move(former);
    for (Alarm& alarm : board_.active) {
        constexpr std::string_view of_before = " It is from before the gateway's restart.";
        if (!alarm.cause.ends_with(of_before)) alarm.cause += of_before;
        restored_.push_back(alarm.id);
    }
    if (board_.recent.size() > max_recent) board_.recent.resize(max_recent);
}

void AlarmBook::see_population(const std::string& listener, std::size_t population) {
    for (const std::uint64_t id : restored_) {
        Alarm& alarm = active(id);
        if (alarm.listener == listener) alarm.population_now = population;
    }
}

void AlarmBook::clear_restored(const std::function<bool(const Alarm&)>& is_over) {
    std::erase_if(restored_, [&](std::uint64_t id) {
        const bool over = is_over(active(id));
        if (over) clear(id);
        return over;
    });
}

void AlarmBook::begin(std::chrono::steady_clock::time_point now, EventTime wall) {
    wall_ = wall;
    if (!first_evaluation_) first_evaluation_ = now;
    clear_restored([&](const Alarm& alarm) {
        const bool is_about_connections = alarm.interval || alarm.silent;
        const std::chrono::seconds kept = is_about_connections ? kept_after_restart : others_kept_after_restart;
        return now - *first_evaluation_ >= kept;
    });
    const auto step = wall_line_.follow(now, wall);
    if (step == std::chrono::milliseconds(0)) return;
    for (std::vector<Alarm>* alarms : {&board_.active, &board_.recent}) {
        for (Alarm& alarm : *alarms) {
            alarm.raised_at += step;
            if (alarm.cleared_at) *alarm.cleared_at += step;
            if (alarm.silent) alarm.silent->since += step;
        }
    }
}

std::uint64_t AlarmBook::raise(Alarm alarm) {
    clear_restored(
        [&alarm](const Alarm& former) { return former.kind == alarm.kind && former.listener == alarm.listener; });
    alarm.id = ++board_.last_id;
    alarm.raised_at = wall_;
    board_.active.insert(board_.active.begin(), std::move(alarm));
    changed(board_.last_id);
    return board_.last_id;
}

Alarm& AlarmBook::active(std::uint64_t id) {
    const auto found = find(board_.active, id);
    HOLDFAST_CHECK(found != board_.active.end());
    return *found;
}

void AlarmBook::renew(std::uint64_t id, Alarm alarm) {
    Alarm& former = active(id);
    alarm.id = id;
    alarm.raised_at = former.raised_at;
    alarm.acknowledged = std::move(former.acknowledged);
    former = std::move(alarm);
}

void AlarmBook::changed(std::uint64_t id) {
    if (std::find(news_.begin(), news_.end(), id) == news_.end()) news_.push_back(id);
}

void AlarmBook::clear(std::uint64_t id) {
    const auto found = find(board_.active, id);
    HOLDFAST_CHECK(found != board_.active.end());
    found->cleared_at = wall_;
    board_.recent.insert(board_.recent.begin(), std::move(*found));
    board_.active.erase(found);
    if (board_.recent.size() > max_recent) board_.recent.pop_back();
    changed(id);
}

void AlarmBook::acknowledge(std::uint64_t id, std::optional<Acknowledgement> acknowledged) {
    Alarm* const alarm = board_.find(id);
    if (alarm == nullptr) return;
    alarm->acknowledged = std::move(acknowledged);
    changed(id);
}

std::vector<Alarm> AlarmBook::take_news() {
    std::vector<Alarm> news;
    for (const std::uint64_t id : std::exchange(news_, {})) {
        for (std::vector<Alarm>* alarms : {&board_.active, &board_.recent}) {
            if (const auto found = find(*alarms, id); found != alarms->end()) news.push_back(*found);
        }
    }
    return news;
}

}  // namespace holdfast
