#include "alarm/idle_timeout_watch.h"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "alarm/explain.h"
#include "alarm/losses.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t min_periods = 3;

/// Returns the largest group, in the order of silence.
std::vector<SilentEnd> largest_group(std::vector<SilentEnd> ends) {
    std::sort(ends.begin(), ends.end(), [](const SilentEnd& a, const SilentEnd& b) { return a.silence < b.silence; });
    auto best = ends.begin();
    auto best_end = ends.begin();
    for (auto first = ends.begin(), last = ends.begin(); first != ends.end(); ++first) {
        while (last != ends.end() && 20 * last->silence <= 21 * first->silence) ++last;
        if (last - first > best_end - best) std::tie(best, best_end) = std::pair(first, last);
    }
    return {best, best_end};
}

std::int64_t in_seconds(milliseconds silence) { return std::chrono::round<seconds>(silence).count(); }

/// Returns "240 to 244 s" or "240 s".
std::string range_of(const SameSilence& same) {
    const std::string from = std::to_string(in_seconds(same.shortest));
    const std::string to = std::to_string(in_seconds(same.longest));
    return (from == to ? from : from + " to " + to) + " s";
}

/// Returns the bound of detect_within, in whole seconds or minutes, below which the first probe leaves before the
/// timeout: the idle time is a third of it, and the kernel's timer is up to an eighth late.
std::string detect_within_below(milliseconds timeout) {
    const auto bound = std::chrono::floor<seconds>(timeout * 8 / 3);
    if (bound < std::chrono::minutes(2)) return std::to_string(bound.count()) + " s";
    return std::to_string(std::min<std::int64_t>(bound.count() / 60, 60)) + " min";
}

void explain_timeout(Alarm& alarm, const SameSilence& same, std::size_t all, const LivenessPlan& plan) {
    const std::string timeout = std::to_string(in_seconds(same.shortest)) + " s";
    const milliseconds first_probe = plan.idle;
    const milliseconds late_probe = first_probe + first_probe / 8 + seconds(1);
    alarm.summary =
        with_commas(alarm.count) + " of " + with_commas(all) + " ended after " + range_of(same) + " of silence: ";
    if (same.shortest > late_probe) {
        alarm.summary += "a time-out of " + timeout + " in a proxy or in the devices; raise it or send more often";
        alarm.cause = "A proxy, balancer or the devices' program ends connections that carry no data for " + timeout +
                      ". Keep-alive probes do not count for it.";
        alarm.advice = "Raise that time-out, or let the devices send an item more often than every " + timeout + ".";
        return;
    }
    alarm.cause =
        "A NAT, balancer or firewall on the path ends or forgets connections that are silent for as long as that.";
    if (same.longest >= first_probe && alarm.reasons.front().reason == CloseReason::peer_reset) {
        alarm.summary += "a time-out below " + timeout + " on the path; lower detect_within or raise it";
        alarm.advice =
            "Halve detect_within until these ends stop, so that probes come more often than the time-out. Or "
            "raise the time-out of the machine on the path. The first probe leaves after " +
            std::to_string(plan.idle.count()) + " s.";
        return;
    }
    const std::string below = detect_within_below(same.shortest);
    alarm.summary += "a time-out of " + timeout + " on the path; set detect_within below " + below + " or raise it";
    alarm.advice = "Set detect_within below " + below + ", so that the first probe leaves before " + timeout +
                   " have passed. Or raise the time-out of the machine on the path.";
}

}  // namespace

std::optional<SameSilence> same_silence(std::vector<SilentEnd> ends) {
    const std::size_t all = ends.size();
    SameSilence same{.ends = largest_group(std::move(ends))};
    if (same.ends.empty() || 5 * same.ends.size() < 4 * all) return std::nullopt;
    same.shortest = same.ends.front().silence;
    same.longest = same.ends.back().silence;
    if (same.shortest <= milliseconds(0)) return std::nullopt;
    std::sort(same.ends.begin(), same.ends.end(), [](const SilentEnd& a, const SilentEnd& b) { return a.at < b.at; });
    std::set<std::int64_t> periods;
    for (const SilentEnd& end : same.ends) periods.insert((end.at - same.ends.front().at) / same.shortest);
    if (periods.size() < min_periods) return std::nullopt;
    return same;
}

void IdleTimeoutWatch::note(const Observation& observation) {
    const bool by_peer = kind_of(observation.reason) == ReasonKind::peer;
    if (observation.kind != Observation::Kind::closed || !by_peer) return;
    if (ends_.size() == max_ends) ends_.pop_front();
    ends_.push_back({{observation.peer, observation.port}, observation.at, observation.quiet, observation.reason});
    noted_ = true;
}

/// Returns false if a sample of the ends rules a common silence out. Usually there is none, and all ends cost more.
bool IdleTimeoutWatch::may_have_one_silence() const {
    constexpr std::size_t least_sampled = 64;
    const std::size_t stride = std::max<std::size_t>(1, ends_.size() / least_sampled);
    std::vector<SilentEnd> sampled;
    std::size_t all = 0;
    for (std::size_t i = 0; i < ends_.size(); i += stride, ++all) {
        if (ends_[i].silence >= min_silence) sampled.push_back(ends_[i]);
    }
    if (5 * sampled.size() < 3 * all) return false;
    return 5 * largest_group(std::move(sampled)).size() >= 3 * all;
}

void IdleTimeoutWatch::evaluate(const Sample& sample, const ListenerStep& step) {
    while (!ends_.empty() && sample.now - ends_.front().at > memory) ends_.pop_front();
    if (noted_ && sample.now - looked_at_ >= look_every) {
        looked_at_ = sample.now;
        noted_ = false;
        const auto least = std::max<std::size_t>(sample.settings.drop_least, step.population / 100);
        const bool is_worth_it = ends_.size() >= least && may_have_one_silence();
        const auto same = is_worth_it ? same_silence({ends_.begin(), ends_.end()}) : std::nullopt;
        if (same && same->shortest >= min_silence && same->ends.size() >= least) update(sample, step, *same);
    }
    if (!episode_.active()) return;
    episode_.alarm(sample.book).population_now = step.population;
    const auto calm = std::max<milliseconds>(calm_for, 2 * timeout_);
    if (sample.now - latest_ >= calm) episode_.end(sample.book);
}

/// Raises or renews the alarm. Reports it again each time the count has doubled.
void IdleTimeoutWatch::update(const Sample& sample, const ListenerStep& step, const SameSilence& same) {
    const auto calm = std::max<milliseconds>(calm_for, 2 * same.shortest);
    if (sample.now - same.ends.back().at >= calm) return;
    latest_ = same.ends.back().at;
    timeout_ = same.shortest;
    Alarm fresh = explained(sample, step, same);
    if (!episode_.active()) {
        reported_ = fresh.count;
        return episode_.raise(sample.book, std::move(fresh));
    }
    episode_.renew(sample.book, std::move(fresh));
    const Alarm& alarm = episode_.alarm(sample.book);
    if (alarm.count < 2 * reported_) return;
    reported_ = alarm.count;
    sample.book.changed(alarm.id);
}

Alarm IdleTimeoutWatch::explained(const Sample& sample, const ListenerStep& step, const SameSilence& same) const {
    std::vector<CloseRecord> closes;
    for (const SilentEnd& end : same.ends) {
        closes.push_back({end.peer.address, end.at, end.at, end.reason, step.number, end.peer.port});
    }
    Losses ends = losses_of(closes, step.number, {});
    ends.before = step.history.at(ends.from);
    ends.now = step.population;
    Alarm alarm;
    alarm.kind = AlarmKind::idle_timeout;
    alarm.listener = step.name;
    put(alarm, ends, sample);
    put_members(alarm, closes);
    alarm.prefixes.clear();
    alarm.elsewhere = alarm.count;
    explain_timeout(alarm, same, ends_.size(), step.plan);
    return alarm;
}

}  // namespace holdfast
