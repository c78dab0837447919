#include "alarm/drop_watch.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "alarm/explain.h"

namespace holdfast {
namespace {

constexpr std::size_t hard = static_cast<std::size_t>(CloseClass::hard);
constexpr std::size_t reset = static_cast<std::size_t>(CloseClass::reset);
constexpr CloseClasses hard_only{true, false, false};
// A restart of a site by RST is common: resets count at once only from this multiple on.
constexpr double resets_at_once = 3;
// A prefix that failed as a whole counts from a fifth of the drop on.
constexpr double whole_prefix_part = 0.2;
// The population must have fallen by this part of what raises the alarm.
constexpr double fallen_part = 0.6;

/// Returns true beyond the scatter of the usual number (eight standard deviations of a Poisson distribution).
bool beyond_scatter(double closes, double usual) { return closes - usual >= 8 * std::sqrt(usual + 1); }

}  // namespace

void DropWatch::evaluate(const Sample& sample, const ListenerStep& step) {
    learn(sample, step);
    if (sample.draining) {
        forget(sample.now);
        return;
    }
    if (!drops_.empty() && drops_.back().growing) {
        grow(sample, step, drops_.back());
    } else {
        detect(sample, step);
    }
    std::erase_if(drops_, [&](Drop& drop) { return over(sample, step, drop); });
}

void DropWatch::gone(AlarmBook& book) {
    for (const Drop& drop : std::exchange(drops_, {})) book.clear(drop.id);
}

DropWatch::Time DropWatch::needs_since(Time now, const AlarmConfig& settings) const {
    Time since = now - memory(settings);
    if (pending_) since = std::min(since, pending_->since);
    if (!drops_.empty() && drops_.back().growing)
        since = std::min(since, drops_.back().first - std::chrono::seconds(2));
    return since;
}

void DropWatch::learn(const Sample& sample, const ListenerStep& step) {
    window_.forget_until(sample.now - sample.settings.window);
    window_.add(sample.now, step.closes);
    churn_.forget_until(sample.now - memory(sample.settings));
    churn_.add(sample.now, step.closes, step.accepted);
    if (sample.minute_ended) churn_.end_minute();
}

double DropWatch::usual(const Sample& sample, std::size_t close_class) const {
    return churn_.usual(close_class, sample.settings.window);
}

/// Returns the classes that contribute to the excess.
CloseClasses DropWatch::unusual_classes(const Sample& sample) const {
    std::array<double, close_class_count> unusual{};
    for (std::size_t i = 0; i < unusual.size(); ++i) {
        unusual[i] = std::max(0.0, static_cast<double>(window_.sums()[i]) - 1.5 * usual(sample, i));
    }
    const double sum = std::accumulate(unusual.begin(), unusual.end(), 0.0);
    CloseClasses classes{};
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = unusual[i] > 0 && unusual[i] >= 0.05 * sum;
    return classes;
}

/// Returns whether hard ends, hard ends and resets, or all of them are beyond the usual.
bool DropWatch::are_unusual(const Sample& sample) const {
    const auto& sums = window_.sums();
    const auto all = std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
    if (all < sample.settings.drop_least) return false;
    double closes = 0;
    double usual_closes = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) {
        closes += static_cast<double>(sums[i]);
        usual_closes += usual(sample, i);
        if (beyond_scatter(closes, usual_closes)) return true;
    }
    return false;
}

void DropWatch::detect(const Sample& sample, const ListenerStep& step) {
    if (pending_) check_return(sample, step);
    if (!are_unusual(sample)) return;
    const std::uint64_t before = step.history.max_since(sample.now - sample.settings.window);
    // Two hundredths of the threshold allow for the population's own fluctuation.
    double need = 0.0098 * sample.settings.drop_percent * static_cast<double>(before);
    if (!churn_.known()) need *= 2;
    const auto least = static_cast<double>(sample.settings.drop_least);
    const double min_of_prefix = std::max(whole_prefix_part * need, least);
    need = std::max(need, least);
    const auto fallen = static_cast<double>(before - std::min(before, step.population));
    if (fallen < fallen_part * min_of_prefix) return;
    if (at_once(sample, step, need) && raise_if_fallen(sample, step, fallen_part * need)) return;
    if (whole_prefix(sample, step, min_of_prefix) && raise_if_fallen(sample, step, fallen_part * min_of_prefix)) return;
    if (fallen >= fallen_part * need) watch_return(sample, step, need);
}

bool DropWatch::at_once(const Sample& sample, const ListenerStep& step, double need) const {
    const auto closes = static_cast<double>(window_.sums()[hard]);
    const double usual_hard = usual(sample, hard);
    if (closes >= need && beyond_scatter(closes, usual_hard) && closes >= 2 * usual_hard) return true;
    const auto resets = static_cast<double>(window_.sums()[reset]);
    const double usual_both = usual_hard + usual(sample, reset);
    if (closes + resets < need || !beyond_scatter(closes + resets, usual_both)) return false;
    if (closes + resets < 2 * usual_both) return false;
    return closes + resets >= resets_at_once * need || one_address_reset(sample, step, need);
}

/// Returns whether resets from one address are a drop: a proxy or NAT, not a deploy of many devices.
bool DropWatch::one_address_reset(const Sample& sample, const ListenerStep& step, double need) const {
    if (static_cast<double>(window_.sums()[reset]) < need) return false;
    const Time since = std::max(forgotten_until_, sample.now - sample.settings.window);
    const std::vector<CloseRecord> closes = sample.closes.of(step.number, since);
    const auto is_reset = [](const CloseRecord& closed) { return closed.reason == CloseReason::peer_reset; };
    IpAddress candidate;  // the majority candidate (Boyer and Moore)
    std::size_t lead = 0;
    for (const CloseRecord& closed : closes) {
        if (!is_reset(closed)) continue;
        if (lead == 0) candidate = closed.peer;
        lead = closed.peer == candidate ? lead + 1 : lead - 1;
    }
    const auto from_it = std::count_if(closes.begin(), closes.end(), [&](const CloseRecord& closed) {
        return is_reset(closed) && closed.peer == candidate;
    });
    return static_cast<double>(from_it) >= need;
}

/// Returns whether a whole prefix fell silent that is smaller than a drop of the population.
bool DropWatch::whole_prefix(const Sample& sample, const ListenerStep& step, double min) {
    const auto closes = static_cast<double>(window_.sums()[hard]);
    const double usual_hard = usual(sample, hard);
    if (closes < min || !beyond_scatter(closes, usual_hard) || closes < 2 * usual_hard) return false;
    if (sample.now - prefix_looked_at_ < look_every) return false;
    prefix_looked_at_ = sample.now;
    const Losses losses = losses_since(sample, step, hard_only, sample.now - sample.settings.window);
    const std::size_t named = losses.count - losses.cover.elsewhere;
    return static_cast<double>(named) >= min && 5 * named >= 4 * losses.count;
}

void DropWatch::watch_return(const Sample& sample, const ListenerStep& step, double need) {
    const auto& sums = window_.sums();
    const auto closes = static_cast<double>(std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}));
    const double usual_closes = usual(sample, 0) + usual(sample, 1) + usual(sample, 2);
    if (closes < need || !beyond_scatter(closes, usual_closes)) return;
    if (!pending_) {
        pending_ = Pending{};
        pending_->since = sample.now - sample.settings.window;
        pending_->before = step.history.max_since(pending_->since);
    } else if (closes <= 1.05 * pending_->max) {
        return;
    }
    pending_->max = closes;
    pending_->unusual = closes - usual_closes;
    pending_->max_at = sample.now;
    pending_->classes = unusual_classes(sample);
}

/// Checks after the time to reconnect whether most devices have returned, and raises the drop if not.
void DropWatch::check_return(const Sample& sample, const ListenerStep& step) {
    if (sample.now - pending_->max_at < sample.settings.recover_within) return;
    const Pending pending = *std::exchange(pending_, std::nullopt);
    const double missing = static_cast<double>(pending.before) - static_cast<double>(step.population);
    const double min = std::max(0.01 * sample.settings.drop_percent * static_cast<double>(pending.before),
                                static_cast<double>(sample.settings.drop_least));
    if (missing >= 0.5 * pending.unusual && missing >= fallen_part * min) {
        const Time since = std::min(pending.since, sample.now - memory(sample.settings));
        const Losses losses = losses_since(sample, step, pending.classes, since);
        if (losses.are_a_drop(fallen_part * min)) {
            raise(sample, step, losses, {.classes = pending.classes, .not_back = true});
            return;
        }
    }
    forget(sample.now);
}

/// Prevents past ends from raising an alarm again.
void DropWatch::forget(Time now) {
    window_.forget_all();
    pending_.reset();
    forgotten_until_ = now;
}

Losses DropWatch::losses_since(const Sample& sample, const ListenerStep& step, const CloseClasses& classes,
                               Time since) const {
    since = std::max(since, forgotten_until_);
    const double usual = churn_.a_second(classes, sample.now - sample.settings.window, sample.now);
    std::vector<CloseRecord> closes = sample.closes.of(step.number, since);
    const auto recorded =
        static_cast<double>(std::count_if(closes.begin(), closes.end(), [&](const CloseRecord& closed) {
            return classes[static_cast<std::size_t>(*row_of(closed.reason).close_class)];
        }));
    Losses losses = losses_of(closes_together(std::move(closes), classes, usual), step.number, sample.census);
    losses.now = step.population;
    if (losses.count == 0) return losses;
    if (!sample.closes.is_complete_since(since)) {
        losses.scale(std::max(1.0, churn_.counted(classes, since) / recorded));
    }
    constexpr std::chrono::milliseconds apart{250};  // a sample may be that much older than an end
    losses.made_up = step.history.max_sampled_after(losses.to + apart);
    losses.before = std::max<std::size_t>(step.history.at(losses.from), losses.count);
    return losses;
}

/// Looks back from the longest memory to the shortest. A restart before the drop, whose devices are back, hides it in
/// the longer ones.
bool DropWatch::raise_if_fallen(const Sample& sample, const ListenerStep& step, double min) {
    const Time in_window = sample.now - sample.settings.window;
    const Time in_memory = sample.now - memory(sample.settings);
    const CloseClasses unusual = unusual_classes(sample);
    for (const auto& [classes, since] : {std::pair(unusual, in_memory), {unusual, in_window}, {hard_only, in_window}}) {
        const Losses losses = losses_since(sample, step, classes, since);
        if (!losses.are_a_drop(min)) continue;
        raise(sample, step, losses, {.classes = classes});
        return true;
    }
    return false;
}

void DropWatch::raise(const Sample& sample, const ListenerStep& step, const Losses& losses, Drop drop) {
    Alarm alarm;
    alarm.kind = AlarmKind::population_drop;
    alarm.listener = step.name;
    put(alarm, losses, sample);
    explain_drop(alarm, drop.not_back);
    if (drops_.size() == max_active) {
        sample.book.clear(drops_.front().id);
        drops_.erase(drops_.begin());
    }
    drop.told = alarm.summary;
    drop.id = sample.book.raise(std::move(alarm));
    drop.first = losses.from;
    drop.looked_at = drop.last_growth = sample.now;
    drop.grown_to = losses.count;
    drop.report_at = sample.now + report_after;
    drops_.push_back(std::move(drop));
    pending_.reset();
}

void DropWatch::grow(const Sample& sample, const ListenerStep& step, Drop& drop) {
    if (sample.now - drop.looked_at >= look_every) {
        drop.looked_at = sample.now;
        look_again(sample, step, drop);
        if (sample.now >= drop.report_at) report(sample, drop);
    }
    if (sample.now - drop.last_growth < std::min<Time::duration>(grown_after, sample.settings.window)) return;
    drop.growing = false;
    report(sample, drop);
    forget(sample.now);
}

/// Gathers the losses again. Takes them only while the population is down by them: devices that are back do not make
/// the drop larger.
void DropWatch::look_again(const Sample& sample, const ListenerStep& step, Drop& drop) {
    const CloseClasses now_unusual = unusual_classes(sample);
    CloseClasses classes = drop.classes;
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = classes[i] || now_unusual[i];
    Alarm& alarm = sample.book.active(drop.id);
    const Time since = drop.first - std::chrono::seconds(1);
    Losses losses = losses_since(sample, step, classes, since);
    if (!losses.are_a_drop(0)) losses = losses_since(sample, step, classes = drop.classes, since);
    if (losses.count <= alarm.count || !losses.are_a_drop(0)) return;
    drop.classes = classes;
    put(alarm, losses, sample);
    explain_drop(alarm, drop.not_back);
    if (losses.count < drop.grown_to + std::max<std::size_t>(3, drop.grown_to / 100)) return;
    drop.grown_to = losses.count;
    drop.last_growth = sample.now;
}

/// Reports the drop if its text has changed. Each report waits twice as long as the one before.
void DropWatch::report(const Sample& sample, Drop& drop) {
    const std::string& summary = sample.book.active(drop.id).summary;
    if (summary == drop.told) return;
    drop.told = summary;
    drop.pause = std::min<std::chrono::seconds>(2 * drop.pause, report_within);
    drop.report_at = sample.now + drop.pause;
    sample.book.changed(drop.id);
}

bool DropWatch::over(const Sample& sample, const ListenerStep& step, Drop& drop) {
    Alarm& alarm = sample.book.active(drop.id);
    alarm.population_now = step.population;
    const double level = static_cast<double>(alarm.population_before) - 0.3 * static_cast<double>(alarm.count);
    if (static_cast<double>(step.population) < level) drop.calm_since.reset();
    if (static_cast<double>(step.population) >= level && !drop.calm_since) drop.calm_since = sample.now;
    const bool recovered = drop.calm_since && sample.now - *drop.calm_since >= calm_for;
    const bool settled = !drop.growing && sample.now - drop.last_growth >= new_normal;
    if (!recovered && !settled) return false;
    if (drop.growing) forget(sample.now);
    sample.book.clear(drop.id);
    return true;
}

}  // namespace holdfast
