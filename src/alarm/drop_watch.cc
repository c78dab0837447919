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
constexpr CloseClasses all_classes{true, true, true};
// A restart of a site by RST is common: resets count at once only from this multiple on.
constexpr double resets_at_once = 3;
// A prefix that failed as a whole counts from a fifth of the drop on.
constexpr double whole_prefix_part = 0.2;

/// Returns true beyond the scatter of the usual number (eight standard deviations of a Poisson distribution).
bool beyond_scatter(double closes, double usual) { return closes - usual >= 8 * std::sqrt(usual + 1); }

/// Returns the interval of the ends on the wall clock, widened by the error of the conversion.
AlarmInterval interval_of(const Sample& sample, const DropFacts& facts) {
    constexpr std::chrono::milliseconds error{5};
    const auto wall_of = [&sample](std::chrono::steady_clock::time_point at) {
        return sample.wall - std::chrono::round<std::chrono::milliseconds>(sample.now - at);
    };
    return {wall_of(facts.first) - error, wall_of(facts.last) + error};
}

void put(const Sample& sample, Alarm& alarm, const DropFacts& facts, bool not_back) {
    alarm.interval = interval_of(sample, facts);
    alarm.count = facts.count;
    alarm.took = std::chrono::duration_cast<std::chrono::milliseconds>(facts.last - facts.first);
    alarm.reasons = facts.reasons;
    alarm.prefixes = facts.cover.prefixes;
    alarm.elsewhere = facts.cover.elsewhere;
    alarm.population_before = std::max(alarm.population_before, alarm.count);
    explain_drop(alarm, not_back);
}

/// Scales for ends that were counted but not observed individually.
void scale(DropFacts& facts, double counted, double noted) {
    if (counted <= noted || noted == 0) return;
    const auto more = [&](std::size_t& count) {
        count = static_cast<std::size_t>(std::llround(static_cast<double>(count) * counted / noted));
    };
    more(facts.count);
    more(facts.cover.elsewhere);
    for (ReasonShare& share : facts.reasons) more(share.count);
    for (PrefixShare& share : facts.cover.prefixes) more(share.dead);
}

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

void DropWatch::learn(const Sample& sample, const ListenerStep& step) {
    window_.forget_until(sample.now - sample.settings.window);
    window_.add(sample.now, step.closes);
    for (std::size_t i = 0; i < usual_.size(); ++i) {
        usual_[i].add(step.closes[i]);
        if (sample.minute_ended) usual_[i].end_minute();
    }
}

double DropWatch::usual(const Sample& sample, std::size_t close_class) const {
    return usual_[close_class].in(sample.settings.window);
}

double DropWatch::usual_a_second(const CloseClasses& classes) const {
    double sum = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) sum += classes[i] ? usual_[i].in(std::chrono::seconds(1)) : 0;
    return sum;
}

double DropWatch::baseline(const Sample& sample, const ListenerStep& step, const CloseClasses& classes) const {
    const double usual = usual_a_second(classes);
    if (usual_[hard].known()) return usual;
    const Time since = sample.now - sample.settings.window;
    return std::max(usual, median_a_second(sample.closes.of(step.number, since), classes, since, sample.now));
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

void DropWatch::detect(const Sample& sample, const ListenerStep& step) {
    if (pending_) check_return(sample, step);
    const auto& sums = window_.sums();
    const auto all = std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
    if (all < sample.settings.drop_least) return;
    double closes = 0;
    double usual_closes = 0;
    bool unusual = false;  // of hard ends, of hard ends and resets, of all
    for (std::size_t i = 0; i < sums.size(); ++i) {
        closes += static_cast<double>(sums[i]);
        usual_closes += usual(sample, i);
        unusual = unusual || beyond_scatter(closes, usual_closes);
    }
    if (!unusual) return;
    const std::uint64_t before = step.history.max_since(sample.now - sample.settings.window);
    // Two hundredths of the threshold allow for the population's own fluctuation.
    double need = 0.0098 * sample.settings.drop_percent * static_cast<double>(before);
    if (!usual_[hard].known()) need *= 2;
    need = std::max(need, static_cast<double>(sample.settings.drop_least));
    if (at_once(sample, step, need) || whole_prefix(sample, step, need)) {
        raise(sample, step, unusual_classes(sample), false);
    } else {
        watch_return(sample, step, need);
    }
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
bool DropWatch::whole_prefix(const Sample& sample, const ListenerStep& step, double need) {
    const double min = std::max(whole_prefix_part * need, static_cast<double>(sample.settings.drop_least));
    const auto closes = static_cast<double>(window_.sums()[hard]);
    const double usual_hard = usual(sample, hard);
    if (closes < min || !beyond_scatter(closes, usual_hard) || closes < 2 * usual_hard) return false;
    if (sample.now - prefix_looked_at_ < explain_every) return false;
    prefix_looked_at_ = sample.now;
    const DropFacts facts = facts_since(sample, step, {true, false, false}, sample.now - sample.settings.window);
    const std::size_t named = facts.count - facts.cover.elsewhere;
    return static_cast<double>(named) >= min && 5 * named >= 4 * facts.count;
}

void DropWatch::watch_return(const Sample& sample, const ListenerStep& step, double need) {
    const auto& sums = window_.sums();
    const auto closes = static_cast<double>(std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}));
    const double usual_closes = usual(sample, 0) + usual(sample, 1) + usual(sample, 2);
    if (closes < need || !beyond_scatter(closes, usual_closes)) return;
    if (!pending_) {
        pending_ = Pending{};
        pending_->before = step.history.max_since(sample.now - sample.settings.window);
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
    const double min = 0.006 * sample.settings.drop_percent * static_cast<double>(pending.before);
    const bool dropped = missing >= 0.5 * pending.unusual && missing >= min &&
                         missing >= 0.6 * static_cast<double>(sample.settings.drop_least);
    if (dropped) {
        raise(sample, step, pending.classes, true);
    } else {
        forget(sample.now);
    }
}

/// Prevents past ends from raising an alarm again.
void DropWatch::forget(Time now) {
    window_.forget_all();
    pending_.reset();
    forgotten_until_ = now;
}

DropFacts DropWatch::facts_since(const Sample& sample, const ListenerStep& step, const CloseClasses& classes,
                                 Time since) const {
    std::vector<CloseRecord> closes = sample.closes.of(step.number, std::max(since, forgotten_until_));
    return gather_facts(closes_together(std::move(closes), classes, baseline(sample, step, classes)), step.number,
                        sample.census);
}

DropFacts DropWatch::counted_facts(const Sample& sample, const ListenerStep& step, const CloseClasses& classes,
                                   bool not_back) const {
    const Time since = sample.now - (not_back ? memory(sample.settings) : sample.settings.window);
    DropFacts facts = facts_since(sample, step, classes, since);
    double counted = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) counted += classes[i] ? static_cast<double>(window_.sums()[i]) : 0;
    if (facts.count == 0) {  // no end was observed individually
        facts.count = facts.cover.elsewhere = static_cast<std::size_t>(counted);
        facts.first = facts.last = sample.now;
    } else if (!not_back) {
        const std::vector<CloseRecord> noted = sample.closes.of(step.number, std::max(since, forgotten_until_));
        scale(facts, counted,
              static_cast<double>(std::count_if(noted.begin(), noted.end(), [&](const CloseRecord& closed) {
                  return classes[static_cast<std::size_t>(*row_of(closed.reason).close_class)];
              })));
    }
    return facts;
}

void DropWatch::raise(const Sample& sample, const ListenerStep& step, const CloseClasses& classes, bool not_back) {
    const DropFacts facts = counted_facts(sample, step, classes, not_back);
    Alarm alarm;
    alarm.kind = AlarmKind::population_drop;
    alarm.listener = step.name;
    alarm.population_before = step.history.at(facts.first - std::chrono::seconds(1));
    if (alarm.population_before < facts.count) {
        alarm.population_before = step.history.max_since(sample.now - memory(sample.settings));
    }
    alarm.population_now = step.population;
    put(sample, alarm, facts, not_back);
    if (drops_.size() == max_active) {
        sample.book.clear(drops_.front().id);
        drops_.erase(drops_.begin());
    }
    drops_.push_back({sample.book.raise(std::move(alarm)),
                      facts.first,
                      classes,
                      not_back,
                      true,
                      sample.now,
                      sample.now,
                      0,
                      baseline(sample, step, all_classes),
                      {}});
    pending_.reset();
}

void DropWatch::grow(const Sample& sample, const ListenerStep& step, Drop& drop) {
    drop.unexplained += std::accumulate(step.closes.begin(), step.closes.end(), std::uint64_t{0});
    if (sample.now - drop.explained_at >= explain_every) {
        const std::chrono::duration<double> time = sample.now - drop.explained_at;
        const double grown = static_cast<double>(drop.unexplained) - 1.5 * drop.baseline * time.count();
        const auto count = static_cast<double>(sample.book.active(drop.id).count);
        if (grown >= std::max(3.0, 0.01 * count)) {
            drop.last_growth = sample.now;
            explain_again(sample, step, drop, grown);
        }
        drop.unexplained = 0;
        drop.explained_at = sample.now;
    }
    if (sample.now - drop.last_growth < std::min<Time::duration>(grown_after, sample.settings.window)) return;
    drop.growing = false;
    explain_again(sample, step, drop, 0);
    forget(sample.now);
}

void DropWatch::explain_again(const Sample& sample, const ListenerStep& step, Drop& drop, double grown) {
    const CloseClasses now_unusual = unusual_classes(sample);
    for (std::size_t i = 0; i < drop.classes.size(); ++i) drop.classes[i] = drop.classes[i] || now_unusual[i];
    Alarm& alarm = sample.book.active(drop.id);
    const DropFacts facts = facts_since(sample, step, drop.classes, drop.first - std::chrono::seconds(1));
    const std::string said = alarm.summary;
    if (facts.count > alarm.count) {
        put(sample, alarm, facts, drop.not_back);
    } else if (grown > 0) {  // more than could be observed individually
        alarm.interval->to = sample.wall;
        alarm.count += static_cast<std::size_t>(grown);
        alarm.elsewhere += static_cast<std::size_t>(grown);
        explain_drop(alarm, drop.not_back);
    }
    if (alarm.summary != said) sample.book.changed(drop.id);
}

bool DropWatch::over(const Sample& sample, const ListenerStep& step, Drop& drop) {
    Alarm& alarm = sample.book.active(drop.id);
    alarm.population_now = step.population;
    if (drop.growing) return false;
    const double level = static_cast<double>(alarm.population_before) -
                         0.3 * static_cast<double>(std::min(alarm.count, alarm.population_before));
    if (static_cast<double>(step.population) < level) drop.calm_since.reset();
    if (static_cast<double>(step.population) >= level && !drop.calm_since) drop.calm_since = sample.now;
    const bool recovered = drop.calm_since && sample.now - *drop.calm_since >= calm_for;
    if (!recovered && sample.now - drop.last_growth < new_normal) return false;
    sample.book.clear(drop.id);
    return true;
}

}  // namespace holdfast
