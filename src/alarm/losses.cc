#include "alarm/losses.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace holdfast {
namespace {

struct Span {
    std::size_t first = 0;
    std::size_t last = 0;
};

/// Returns the run of seconds with the largest sum of (ends - charge): Kadane's algorithm.
Span densest(const std::vector<std::size_t>& seconds, double charge) {
    Span best;
    double best_sum = 0;
    double sum = 0;
    std::size_t first = 0;
    for (std::size_t i = 0; i < seconds.size(); ++i) {
        if (sum <= 0) {
            sum = 0;
            first = i;
        }
        sum += static_cast<double>(seconds[i]) - charge;
        if (sum > best_sum) {
            best_sum = sum;
            best = {first, i};
        }
    }
    return best;
}

std::vector<ReasonShare> reasons_of(const std::vector<CloseRecord>& closes) {
    std::map<CloseReason, std::size_t> counts;
    for (const CloseRecord& closed : closes) ++counts[closed.reason];
    std::vector<ReasonShare> reasons;
    for (const auto& [reason, count] : counts) reasons.push_back({reason, count});
    std::stable_sort(reasons.begin(), reasons.end(),
                     [](const ReasonShare& a, const ReasonShare& b) { return a.count > b.count; });
    return reasons;
}

/// Returns the price of a second without ends. A quiet second costs a four-hundredth of all: a pause of a minute may
/// belong to the drop, a single end minutes earlier does not. A slow loss costs less than it counts, however long.
double price_of_a_second(std::size_t closes, std::size_t seconds) {
    return static_cast<double>(closes) / std::max(400.0, 3.0 * static_cast<double>(seconds));
}

}  // namespace

void Losses::scale(double factor) {
    const auto more = [factor](std::size_t& figure) {
        figure = static_cast<std::size_t>(std::llround(static_cast<double>(figure) * factor));
    };
    more(count);
    more(bad_items);
    more(cover.elsewhere);
    for (ReasonShare& share : reasons) more(share.count);
    for (PrefixShare& share : cover.prefixes) more(share.dead);
}

std::vector<CloseRecord> closes_together(std::vector<CloseRecord> closes, const CloseClasses& classes,
                                         double usual_per_second) {
    std::erase_if(closes, [&](const CloseRecord& closed) {
        return !classes[static_cast<std::size_t>(*row_of(closed.reason).close_class)];
    });
    if (closes.empty()) return closes;
    std::sort(closes.begin(), closes.end(), [](const CloseRecord& a, const CloseRecord& b) { return a.at < b.at; });
    const Losses::Time start = closes.front().at;
    const auto second_of = [start](const CloseRecord& closed) {
        return static_cast<std::size_t>(std::chrono::floor<std::chrono::seconds>(closed.at - start).count());
    };
    std::vector<std::size_t> seconds(second_of(closes.back()) + 1);
    for (const CloseRecord& closed : closes) ++seconds[second_of(closed)];
    const Span span = densest(seconds, 3 * usual_per_second + price_of_a_second(closes.size(), seconds.size()));
    std::erase_if(closes, [&](const CloseRecord& closed) {
        return second_of(closed) < span.first || second_of(closed) > span.last;
    });
    if (closes.empty()) return closes;
    const Losses::Time from = closes.front().at;
    std::erase_if(closes, [from](const CloseRecord& closed) { return closed.opened >= from; });
    return closes;
}

Losses losses_of(const std::vector<CloseRecord>& closes, std::uint8_t listener,
                 const std::function<std::vector<CensusEntry>()>& census) {
    Losses losses;
    if (closes.empty()) return losses;
    losses.count = closes.size();
    losses.from = closes.front().at;
    losses.to = closes.back().at;
    losses.reasons = reasons_of(closes);
    losses.bad_items = static_cast<std::size_t>(
        std::count_if(closes.begin(), closes.end(), [](const CloseRecord& closed) { return closed.bad_items; }));
    std::vector<IpAddress> dead;
    dead.reserve(closes.size());
    for (const CloseRecord& closed : closes) dead.push_back(closed.peer);
    std::vector<IpAddress> alive;
    for (const CensusEntry& entry : census ? census() : std::vector<CensusEntry>()) {
        // A suspect is still connected and is no evidence for its prefix.
        const bool counts = entry.listener == listener && entry.opened < losses.from && !entry.suspect;
        if (counts) alive.push_back(entry.peer);
    }
    losses.cover = cover(dead, alive);
    return losses;
}

void put(Alarm& alarm, const Losses& losses, const Sample& sample) {
    using std::chrono::milliseconds;
    const auto wall_of = [&sample](Losses::Time time) {
        return sample.wall - std::chrono::round<milliseconds>(sample.now - time);
    };
    alarm.count = losses.count;
    alarm.took = std::chrono::duration_cast<milliseconds>(losses.to - losses.from);
    alarm.interval = AlarmInterval{.from = wall_of(losses.from), .to = wall_of(losses.to)};
    alarm.of_bad_items = 2 * losses.bad_items >= losses.count;
    alarm.population_before = losses.before;
    alarm.population_now = losses.now;
    alarm.reasons = losses.reasons;
    alarm.prefixes = losses.cover.prefixes;
    alarm.elsewhere = losses.cover.elsewhere;
}

void put_members(Alarm& alarm, const std::vector<CloseRecord>& closes) {
    std::vector<Endpoint> peers;
    peers.reserve(closes.size());
    for (const CloseRecord& closed : closes) peers.push_back({closed.peer, closed.port});
    std::sort(peers.begin(), peers.end());
    alarm.peers = std::make_shared<const std::vector<Endpoint>>(std::move(peers));
}

}  // namespace holdfast
