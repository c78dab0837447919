#include "alarm/silent_watch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "alarm/explain.h"
#include "detect/prefix_cover.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;

// As for drops: a prefix that is silent as a whole counts from a fifth of what counts anywhere.
constexpr double silent_prefix_part = 0.2;

milliseconds between(Episode::Time from, Episode::Time to) {
    return std::chrono::duration_cast<milliseconds>(std::max(to, from) - from);
}

}  // namespace

void SilentWatch::note(const Observation& observation) {
    if (observation.kind == Observation::Kind::suspected && !noted_first_) noted_first_ = observation.at;
    if (observation.kind == Observation::Kind::recovered) noted_answer_ = observation.at;
}

void SilentWatch::evaluate(const Sample& sample, const ListenerStep& step) {
    follow(sample, step);
    if (episode_.active()) {
        update(sample, step);
        episode_.see(sample.book, sample.now, over_, calm_);
        if (!episode_.active()) cleared_at_ = sample.now;
    } else if (!over_ && step.suspected > 0 && !sample.draining) {
        Alarm alarm = described(sample, step);
        if (is_many(sample, step, alarm)) raise(sample, std::move(alarm));
    }
    if (over_ && !episode_.active()) wave_.reset();
}

void SilentWatch::follow(const Sample& sample, const ListenerStep& step) {
    if (over_ && step.suspected > 0) {
        wave_ = Wave{};
        wave_->first = wave_->last_mark = noted_first_.value_or(sample.now);
        ++waves_;
    }
    if (wave_) {
        wave_->marked += step.suspected;
        wave_->recovered += step.recovered;
        wave_->suspects = step.suspects;
        wave_->count = std::max(wave_->count, wave_->suspects + wave_->ended());
        if (step.suspected > 0) wave_->last_mark = sample.now;
        if (step.recovered > 0) wave_->last_answer = noted_answer_.value_or(sample.now);
    }
    noted_first_.reset();
    noted_answer_.reset();
    if (wave_) over_ = step.suspects == 0;
}

bool SilentWatch::is_many(const Sample& sample, const ListenerStep& step, const Alarm& alarm) {
    const auto min = static_cast<double>(sample.settings.drop_least);
    const auto suspects = static_cast<double>(step.suspects);
    const double need = 0.01 * sample.settings.drop_percent * static_cast<double>(step.population);
    if (suspects >= std::max(need, min)) return true;
    if (suspects < std::max(silent_prefix_part * need, min)) return false;
    return 5 * (alarm.count - alarm.elsewhere) >= 4 * alarm.count;
}

/// Returns the alarm with the suspects' prefixes, which the census provides, since all are still connected.
Alarm SilentWatch::described(const Sample& sample, const ListenerStep& step) const {
    Alarm alarm;
    alarm.kind = AlarmKind::peers_silent;
    alarm.listener = step.name;
    alarm.population_before = step.population;
    put(sample, step, alarm);
    return alarm;
}

void SilentWatch::raise(const Sample& sample, Alarm alarm) {
    const bool again = cleared_at_ && sample.now - *cleared_at_ < flaps_within;
    calm_ = again ? std::min<milliseconds>(2 * calm_, longest_calm) : first_calm;
    waves_ = 1;
    reported_at_ = sample.now;
    episode_.raise(sample.book, std::move(alarm));
}

/// Updates the figures. Reports the alarm again when the last suspect is gone, and otherwise every few seconds at most.
void SilentWatch::update(const Sample& sample, const ListenerStep& step) {
    Alarm& alarm = episode_.alarm(sample.book);
    alarm.population_now = step.population;
    const bool was_over = alarm.silent && alarm.silent->suspects == 0;
    const std::string said = alarm.summary + alarm.cause;
    put(sample, step, alarm);
    const bool turned = was_over != over_;
    if (said == alarm.summary + alarm.cause || (!turned && sample.now - reported_at_ < report_every)) return;
    reported_at_ = sample.now;
    sample.book.changed(alarm.id);
}

void SilentWatch::put(const Sample& sample, const ListenerStep& step, Alarm& alarm) const {
    if (step.suspected > 0) {
        std::vector<IpAddress> suspects;
        std::vector<IpAddress> others;
        for (const CensusEntry& entry : sample.census ? sample.census() : std::vector<CensusEntry>()) {
            if (entry.listener == step.number) (entry.suspect ? suspects : others).push_back(entry.peer);
        }
        PrefixCover found = cover(suspects, others);
        alarm.prefixes = std::move(found.prefixes);
        alarm.elsewhere = found.elsewhere;
    }
    alarm.count = wave_->count;
    alarm.took = between(wave_->first, wave_->last_mark);
    alarm.population_now = step.population;
    alarm.population_before = std::max({alarm.population_before, alarm.population_now, alarm.count});
    alarm.silent = SilentPeers{.since = sample.wall - between(wave_->first, sample.now),
                               .suspects = wave_->suspects,
                               .recovered = wave_->count - wave_->suspects - wave_->ended(),
                               .lasted = between(wave_->first, wave_->last_answer),
                               .times = waves_};
    explain_silence(alarm, sample.links);
}

}  // namespace holdfast
