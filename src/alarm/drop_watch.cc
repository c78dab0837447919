#include "alarm/drop_watch.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "alarm/explain.h"

namespace holdfast {
namespace {

constexpr std::size_t hard = static_cast<std::size_t>(DeathClass::hard);
constexpr std::size_t reset = static_cast<std::size_t>(DeathClass::reset);
constexpr DeathClasses all_classes{true, true, true};
// A restart of a site by RST is common: resets count at once only from this multiple on.
constexpr double resets_at_once = 3;
// A prefix that failed as a whole counts from a fifth of the drop on.
constexpr double whole_prefix_part = 0.2;

/// Returns true beyond the scatter of the usual number (eight standard deviations of a Poisson distribution).
bool beyond_scatter(double deaths, double usual) { return deaths - usual >= 8 * std::sqrt(usual + 1); }

void put(Alarm& alarm, const DropFacts& facts, bool not_back) {
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

void DropWatch::look(const Sample& look, const ListenerStep& step) {
    learn(look, step);
    if (look.draining) {
        forget(look.now);
        return;
    }
    if (!drops_.empty() && drops_.back().growing) {
        grow(look, step, drops_.back());
    } else {
        detect(look, step);
    }
    std::erase_if(drops_, [&](Drop& drop) { return over(look, step, drop); });
}

void DropWatch::gone(AlarmBook& book) {
    for (const Drop& drop : std::exchange(drops_, {})) book.clear(drop.id);
}

void DropWatch::learn(const Sample& look, const ListenerStep& step) {
    window_.forget_until(look.now - look.settings.window);
    window_.add(look.now, step.deaths);
    for (std::size_t i = 0; i < usual_.size(); ++i) {
        usual_[i].add(step.deaths[i]);
        if (look.minute_ended) usual_[i].end_minute();
    }
}

double DropWatch::usual(const Sample& look, std::size_t death_class) const {
    return usual_[death_class].in(look.settings.window);
}

double DropWatch::usual_a_second(const DeathClasses& classes) const {
    double sum = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) sum += classes[i] ? usual_[i].in(std::chrono::seconds(1)) : 0;
    return sum;
}

double DropWatch::baseline(const Sample& look, const ListenerStep& step, const DeathClasses& classes) const {
    const double usual = usual_a_second(classes);
    if (usual_[hard].known()) return usual;
    const Time since = look.now - look.settings.window;
    return std::max(usual, median_a_second(look.deaths.of(step.number, since), classes, since, look.now));
}

/// Returns the classes that contribute to the excess.
DeathClasses DropWatch::unusual_classes(const Sample& look) const {
    std::array<double, death_class_count> unusual{};
    for (std::size_t i = 0; i < unusual.size(); ++i) {
        unusual[i] = std::max(0.0, static_cast<double>(window_.sums()[i]) - 1.5 * usual(look, i));
    }
    const double sum = std::accumulate(unusual.begin(), unusual.end(), 0.0);
    DeathClasses classes{};
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = unusual[i] > 0 && unusual[i] >= 0.05 * sum;
    return classes;
}

void DropWatch::detect(const Sample& look, const ListenerStep& step) {
    if (pending_) check_return(look, step);
    const auto& sums = window_.sums();
    const auto all = std::accumulate(sums.begin(), sums.end(), std::uint64_t{0});
    if (all < look.settings.drop_least) return;
    double deaths = 0;
    double usual_deaths = 0;
    bool unusual = false;  // of hard ends, of hard ends and resets, of all
    for (std::size_t i = 0; i < sums.size(); ++i) {
        deaths += static_cast<double>(sums[i]);
        usual_deaths += usual(look, i);
        unusual = unusual || beyond_scatter(deaths, usual_deaths);
    }
    if (!unusual) return;
    const std::uint64_t before = step.history.max_since(look.now - look.settings.window);
    // Two hundredths of the threshold allow for the population's own fluctuation.
    double need = 0.0098 * look.settings.drop_percent * static_cast<double>(before);
    if (!usual_[hard].known()) need *= 2;
    need = std::max(need, static_cast<double>(look.settings.drop_least));
    if (at_once(look, step, need) || whole_prefix(look, step, need)) {
        raise(look, step, unusual_classes(look), false);
    } else {
        watch_return(look, step, need);
    }
}

bool DropWatch::at_once(const Sample& look, const ListenerStep& step, double need) const {
    const auto deaths = static_cast<double>(window_.sums()[hard]);
    const double usual_hard = usual(look, hard);
    if (deaths >= need && beyond_scatter(deaths, usual_hard) && deaths >= 2 * usual_hard) return true;
    const auto resets = static_cast<double>(window_.sums()[reset]);
    const double usual_both = usual_hard + usual(look, reset);
    if (deaths + resets < need || !beyond_scatter(deaths + resets, usual_both)) return false;
    if (deaths + resets < 2 * usual_both) return false;
    return deaths + resets >= resets_at_once * need || one_address_reset(look, step, need);
}

/// Returns whether resets from one address are a drop: a proxy or NAT, not a deploy of many devices.
bool DropWatch::one_address_reset(const Sample& look, const ListenerStep& step, double need) const {
    if (static_cast<double>(window_.sums()[reset]) < need) return false;
    const Time since = std::max(forgotten_until_, look.now - look.settings.window);
    const std::vector<DeathRecord> deaths = look.deaths.of(step.number, since);
    const auto is_reset = [](const DeathRecord& death) { return death.reason == CloseReason::peer_reset; };
    IpAddress candidate;  // the majority candidate (Boyer and Moore)
    std::size_t lead = 0;
    for (const DeathRecord& death : deaths) {
        if (!is_reset(death)) continue;
        if (lead == 0) candidate = death.peer;
        lead = death.peer == candidate ? lead + 1 : lead - 1;
    }
    const auto from_it = std::count_if(deaths.begin(), deaths.end(), [&](const DeathRecord& death) {
        return is_reset(death) && death.peer == candidate;
    });
    return static_cast<double>(from_it) >= need;
}

/// Returns whether a whole prefix fell silent that is smaller than a drop of the population.
bool DropWatch::whole_prefix(const Sample& look, const ListenerStep& step, double need) {
    const double min = std::max(whole_prefix_part * need, static_cast<double>(look.settings.drop_least));
    const auto deaths = static_cast<double>(window_.sums()[hard]);
    const double usual_hard = usual(look, hard);
    if (deaths < min || !beyond_scatter(deaths, usual_hard) || deaths < 2 * usual_hard) return false;
    if (look.now - prefix_looked_at_ < explain_every) return false;
    prefix_looked_at_ = look.now;
    const DropFacts facts = facts_since(look, step, {true, false, false}, look.now - look.settings.window);
    const std::size_t named = facts.count - facts.cover.elsewhere;
    return static_cast<double>(named) >= min && 5 * named >= 4 * facts.count;
}

void DropWatch::watch_return(const Sample& look, const ListenerStep& step, double need) {
    const auto& sums = window_.sums();
    const auto deaths = static_cast<double>(std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}));
    const double usual_deaths = usual(look, 0) + usual(look, 1) + usual(look, 2);
    if (deaths < need || !beyond_scatter(deaths, usual_deaths)) return;
    if (!pending_) {
        pending_ = Pending{};
        pending_->before = step.history.max_since(look.now - look.settings.window);
    } else if (deaths <= 1.05 * pending_->max) {
        return;
    }
    pending_->max = deaths;
    pending_->unusual = deaths - usual_deaths;
    pending_->max_at = look.now;
    pending_->classes = unusual_classes(look);
}

/// Checks after the time to reconnect whether most devices have returned, and raises the drop if not.
void DropWatch::check_return(const Sample& look, const ListenerStep& step) {
    if (look.now - pending_->max_at < look.settings.recover_within) return;
    const Pending pending = *std::exchange(pending_, std::nullopt);
    const double missing = static_cast<double>(pending.before) - static_cast<double>(step.population);
    const double min = 0.006 * look.settings.drop_percent * static_cast<double>(pending.before);
    const bool dropped = missing >= 0.5 * pending.unusual && missing >= min &&
                         missing >= 0.6 * static_cast<double>(look.settings.drop_least);
    if (dropped) {
        raise(look, step, pending.classes, true);
    } else {
        forget(look.now);
    }
}

/// Prevents past ends from raising an alarm again.
void DropWatch::forget(Time now) {
    window_.forget_all();
    pending_.reset();
    forgotten_until_ = now;
}

DropFacts DropWatch::facts_since(const Sample& look, const ListenerStep& step, const DeathClasses& classes,
                                 Time since) const {
    std::vector<DeathRecord> deaths = look.deaths.of(step.number, std::max(since, forgotten_until_));
    return gather_facts(deaths_together(std::move(deaths), classes, baseline(look, step, classes)), step.number,
                        look.census);
}

void DropWatch::raise(const Sample& look, const ListenerStep& step, const DeathClasses& classes, bool not_back) {
    const Time since = look.now - (not_back ? memory(look.settings) : look.settings.window);
    DropFacts facts = facts_since(look, step, classes, since);
    double counted = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) counted += classes[i] ? static_cast<double>(window_.sums()[i]) : 0;
    if (facts.count == 0) {  // no end was observed individually
        facts.count = facts.cover.elsewhere = static_cast<std::size_t>(counted);
        facts.first = facts.last = look.now;
    } else if (!not_back) {
        const std::vector<DeathRecord> noted = look.deaths.of(step.number, std::max(since, forgotten_until_));
        scale(facts, counted,
              static_cast<double>(std::count_if(noted.begin(), noted.end(), [&](const DeathRecord& death) {
                  return classes[static_cast<std::size_t>(*row_of(death.reason).death)];
              })));
    }
    Alarm alarm;
    alarm.kind = AlarmKind::population_drop;
    alarm.listener = step.name;
    alarm.population_before = step.history.at(facts.first - std::chrono::seconds(1));
    if (alarm.population_before < facts.count) {
        alarm.population_before = step.history.max_since(look.now - memory(look.settings));
    }
    alarm.population_now = step.population;
    put(alarm, facts, not_back);
    if (drops_.size() == max_active) {
        look.book.clear(drops_.front().id);
        drops_.erase(drops_.begin());
    }
    drops_.push_back({look.book.raise(std::move(alarm)),
                      facts.first,
                      classes,
                      not_back,
                      true,
                      look.now,
                      look.now,
                      0,
                      baseline(look, step, all_classes),
                      {}});
    pending_.reset();
}

void DropWatch::grow(const Sample& look, const ListenerStep& step, Drop& drop) {
    drop.unexplained += std::accumulate(step.deaths.begin(), step.deaths.end(), std::uint64_t{0});
    if (look.now - drop.explained_at >= explain_every) {
        const std::chrono::duration<double> time = look.now - drop.explained_at;
        const double grown = static_cast<double>(drop.unexplained) - 1.5 * drop.baseline * time.count();
        const auto count = static_cast<double>(look.book.active(drop.id).count);
        if (grown >= std::max(3.0, 0.01 * count)) {
            drop.last_growth = look.now;
            explain_again(look, step, drop, grown);
        }
        drop.unexplained = 0;
        drop.explained_at = look.now;
    }
    if (look.now - drop.last_growth < std::min<Time::duration>(grown_after, look.settings.window)) return;
    drop.growing = false;
    explain_again(look, step, drop, 0);
    forget(look.now);
}

void DropWatch::explain_again(const Sample& look, const ListenerStep& step, Drop& drop, double grown) {
    const DeathClasses now_unusual = unusual_classes(look);
    for (std::size_t i = 0; i < drop.classes.size(); ++i) drop.classes[i] = drop.classes[i] || now_unusual[i];
    Alarm& alarm = look.book.active(drop.id);
    const DropFacts facts = facts_since(look, step, drop.classes, drop.first - std::chrono::seconds(1));
    const std::string said = alarm.summary;
    if (facts.count > alarm.count) {
        put(alarm, facts, drop.not_back);
    } else if (grown > 0) {  // more than could be observed individually
        alarm.count += static_cast<std::size_t>(grown);
        alarm.elsewhere += static_cast<std::size_t>(grown);
        explain_drop(alarm, drop.not_back);
    }
    if (alarm.summary != said) look.book.changed(drop.id);
}

bool DropWatch::over(const Sample& look, const ListenerStep& step, Drop& drop) {
    Alarm& alarm = look.book.active(drop.id);
    alarm.population_now = step.population;
    if (drop.growing) return false;
    const double level = static_cast<double>(alarm.population_before) -
                         0.3 * static_cast<double>(std::min(alarm.count, alarm.population_before));
    if (static_cast<double>(step.population) < level) drop.calm_since.reset();
    if (static_cast<double>(step.population) >= level && !drop.calm_since) drop.calm_since = look.now;
    const bool recovered = drop.calm_since && look.now - *drop.calm_since >= calm_for;
    if (!recovered && look.now - drop.last_growth < new_normal) return false;
    look.book.clear(drop.id);
    return true;
}

}  // namespace holdfast
