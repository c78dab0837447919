#include "alarm/storm_watch.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include "alarm/explain.h"
#include "alarm/losses.h"

namespace holdfast {
namespace {

constexpr double storm_share = 0.3;             // of the population, coming back within the window
constexpr std::chrono::seconds short_life{10};  // longer ones are a matter of IdleTimeoutWatch
constexpr double storm_times_usual = 5;
constexpr std::chrono::milliseconds clock_step{100};  // precision of CloseRecord::opened

std::vector<CloseLog::Time> sorted_ends(std::span<const CloseRecord> closes) {
    std::vector<CloseLog::Time> ends;
    for (const CloseRecord& closed : closes) ends.push_back(closed.at);
    std::sort(ends.begin(), ends.end());
    return ends;
}

/// Adds the returns of one address; `closes` has its ends in the order of their opening.
void add_returns(std::span<const CloseRecord> closes, CloseLog::Time since, std::chrono::milliseconds lived,
                 Returns& returns) {
    const std::vector<CloseLog::Time> ends = sorted_ends(closes);
    std::size_t matched = 0;
    std::size_t open_at_once = 0;
    const std::size_t first_found = returns.closes.size();
    std::size_t found = 0;
    for (std::size_t i = 0; i < closes.size(); ++i) {
        const CloseRecord& closed = closes[i];
        const auto ended_until = [&ends](CloseLog::Time time) {
            return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), time) - ends.begin());
        };
        open_at_once = std::max(open_at_once, i + 1 - std::min(i + 1, ended_until(closed.opened)));
        const CloseLog::Time before = closed.opened + clock_step;
        const bool after_another = ended_until(before) > matched + (closed.at <= before ? 1 : 0);
        const bool takeover = closed.reason == CloseReason::superseded;
        if (!after_another && !takeover) continue;
        matched += after_another ? 1 : 0;
        if (closed.at < since || closed.at - closed.opened > lived) continue;
        returns.closes.push_back(closed);
        ++found;
    }
    // Behind a NAT, many devices that each connect once begin and end in the same order as few that come back.
    if (open_at_once > 2 && found < 2 * open_at_once) {
        returns.closes.resize(first_found);
        return;
    }
    returns.peers += std::min(found, open_at_once);
}

std::string storm_phrase(const Losses& facts) {
    std::string text;
    if (!facts.reasons.empty()) {
        text = ", " + percent_of(facts.reasons[0].count, facts.count) + " " +
               std::string(to_string(facts.reasons[0].reason));
    }
    if (!facts.cover.prefixes.empty()) text += ", most of them from " + to_string(facts.cover.prefixes[0].prefix);
    return text;
}

/// Sets cause and advice by the most frequent reason.
void explain_storm(CloseReason reason, Alarm& alarm) {
    if (reason == CloseReason::superseded) {
        alarm.cause =
            "Devices connect again while their connection still exists: their timeout is shorter than the answer "
            "takes, or several devices share an id.";
        alarm.advice =
            "See holdfast closed --reason superseded: several addresses for an id mean several devices. Give devices a "
            "longer timeout and a back-off with jitter.";
        return;
    }
    const bool by_peer = kind_of(reason) == ReasonKind::peer;
    alarm.cause = by_peer
                      ? "Devices connect and disconnect at once: the gateway does not send what they expect, or a "
                        "balancer ends their connections. Without a delay between tries they all reconnect together."
                      : "The gateway or the network ends connections soon after their start, and the devices "
                        "reconnect at once.";
    alarm.advice = by_peer ? "Check what the devices log when they disconnect, and give them a back-off with jitter."
                           : "See holdfast closed for the evidence behind the largest reason.";
}

}  // namespace

Returns returns_among(std::vector<CloseRecord> closes, CloseLog::Time since, std::chrono::milliseconds lived) {
    std::sort(closes.begin(), closes.end(), [](const CloseRecord& a, const CloseRecord& b) {
        return std::tie(a.peer, a.opened, a.at) < std::tie(b.peer, b.opened, b.at);
    });
    Returns returns;
    for (auto first = closes.begin(); first != closes.end();) {
        const auto last =
            std::find_if(first, closes.end(), [&](const CloseRecord& closed) { return closed.peer != first->peer; });
        add_returns({first, last}, since, lived, returns);
        first = last;
    }
    std::sort(returns.closes.begin(), returns.closes.end(),
              [](const CloseRecord& a, const CloseRecord& b) { return a.at < b.at; });
    return returns;
}

bool StormWatch::beyond(const Sample& sample, double min, double times) const {
    const auto is_beyond = [&](std::size_t count) {
        const auto sum = static_cast<double>(window_.sums()[count]);
        return sum >= min && sum >= times * usual_[count].in(sample.settings.window);
    };
    return is_beyond(accepted) && is_beyond(ended);
}

Returns StormWatch::returns_of(const Sample& sample, const ListenerStep& step) {
    const auto window = sample.settings.window;
    const auto lived = std::min<std::chrono::milliseconds>(short_life, window);
    return returns_among(sample.closes.with_takeovers(step.number, sample.now - 2 * window), sample.now - window,
                         lived);
}

void StormWatch::evaluate(const Sample& sample, const ListenerStep& step) {
    const auto ends = step.superseded + std::accumulate(step.closes.begin(), step.closes.end(), std::uint64_t{0});
    window_.forget_until(sample.now - sample.settings.window);
    window_.add(sample.now, {step.accepted, ends});
    usual_[accepted].add(step.accepted);
    usual_[ended].add(ends);
    if (sample.minute_ended) {
        for (Usual& usual : usual_) usual.end_minute();
    }
    const double least = 2.0 * static_cast<double>(sample.settings.drop_least);
    if (!episode_.active() && !beyond(sample, least, storm_times_usual))
        return;  // before max_since(), which costs more
    const auto max = static_cast<double>(step.history.max_since(sample.now - sample.settings.window));
    const double min = std::max(storm_share * max, least);
    const bool many = episode_.active() ? beyond(sample, min / 2, 1.5) : beyond(sample, min, storm_times_usual);
    if (many && sample.now - looked_at_ >= look_every) {
        looked_at_ = sample.now;
        look(sample, step, min, max);
    }
    if (!episode_.active()) return;
    episode_.alarm(sample.book).population_now = step.population;
    episode_.see(sample.book, sample.now, !many || !returning_, sample.settings.window);
}

/// Looks for returns. A storm goes on: a look that finds many waits for the next one, five seconds later, to find more.
void StormWatch::look(const Sample& sample, const ListenerStep& step, double min, double max_population) {
    const auto former = std::exchange(found_at_, std::nullopt);
    const Returns returns = returns_of(sample, step);
    const double needed = episode_.active() ? min / 2 : min;
    returning_ = max_population > 0 && static_cast<double>(returns.closes.size()) >= needed &&
                 returns.peers >= sample.settings.drop_least;
    if (episode_.active() && returns.closes.size() > episode_.alarm(sample.book).count)
        return episode_.renew(sample.book, explained(sample, step, returns));
    if (episode_.active() || !returning_) return;
    const bool goes_on = former && returns.closes.back().at > *former;
    found_at_ = former ? former : sample.now;
    if (goes_on) episode_.raise(sample.book, explained(sample, step, returns));
}

/// Returns the alarm, whose figures all are of the returns.
Alarm StormWatch::explained(const Sample& sample, const ListenerStep& step, const Returns& returns) {
    Losses facts = losses_of(returns.closes, step.number, sample.census);
    facts.before = step.history.max_since(sample.now - sample.settings.window);
    facts.now = step.population;
    Alarm alarm;
    alarm.kind = AlarmKind::reconnect_storm;
    alarm.listener = step.name;
    put(alarm, facts, sample);
    put_members(alarm, returns.closes);
    alarm.summary = with_commas(alarm.count) + " connections of returning devices disconnected in " +
                    in_words(alarm.took) + " of a population of " + with_commas(alarm.population_before) +
                    storm_phrase(facts);
    explain_storm(facts.reasons.front().reason, alarm);
    return alarm;
}

}  // namespace holdfast
