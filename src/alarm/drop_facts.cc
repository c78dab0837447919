#include "alarm/drop_facts.h"

#include <algorithm>
#include <map>

namespace holdfast {
namespace {

using Time = std::chrono::steady_clock::time_point;

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

std::vector<ReasonShare> reasons_of(const std::vector<DeathRecord>& deaths) {
    std::map<CloseReason, std::size_t> counts;
    for (const DeathRecord& death : deaths) ++counts[death.reason];
    std::vector<ReasonShare> reasons;
    for (const auto& [reason, count] : counts) reasons.push_back({reason, count});
    std::stable_sort(reasons.begin(), reasons.end(),
                     [](const ReasonShare& a, const ReasonShare& b) { return a.count > b.count; });
    return reasons;
}

}  // namespace

std::vector<DeathRecord> deaths_together(std::vector<DeathRecord> deaths, const DeathClasses& classes,
                                         double usual_per_second) {
    std::erase_if(deaths, [&](const DeathRecord& death) {
        return !classes[static_cast<std::size_t>(*row_of(death.reason).death)];
    });
    if (deaths.empty()) return deaths;
    std::sort(deaths.begin(), deaths.end(), [](const DeathRecord& a, const DeathRecord& b) { return a.at < b.at; });
    const Time start = deaths.front().at;
    const auto second_of = [start](const DeathRecord& death) {
        return static_cast<std::size_t>(std::chrono::floor<std::chrono::seconds>(death.at - start).count());
    };
    std::vector<std::size_t> seconds(second_of(deaths.back()) + 1);
    for (const DeathRecord& death : deaths) ++seconds[second_of(death)];
    // A quiet second costs a four-hundredth: a pause of a minute may belong to the drop, a single end minutes earlier
    // does not.
    const double charge = 3 * usual_per_second + static_cast<double>(deaths.size()) / 400;
    const Span span = densest(seconds, charge);
    std::erase_if(deaths, [&](const DeathRecord& death) {
        return second_of(death) < span.first || second_of(death) > span.last;
    });
    return deaths;
}

double median_a_second(const std::vector<DeathRecord>& deaths, const DeathClasses& classes, Time since, Time now) {
    constexpr std::int64_t least_seconds = 20;
    const auto length = std::chrono::floor<std::chrono::seconds>(now - since).count();
    if (length < least_seconds) return 0;
    std::vector<std::size_t> seconds(static_cast<std::size_t>(length) + 1);
    for (const DeathRecord& death : deaths) {
        const auto second = std::chrono::floor<std::chrono::seconds>(death.at - since).count();
        const bool counts = classes[static_cast<std::size_t>(*row_of(death.reason).death)];
        if (counts && second >= 0 && second <= length) ++seconds[static_cast<std::size_t>(second)];
    }
    const auto middle = seconds.begin() + length / 2;
    std::nth_element(seconds.begin(), middle, seconds.end());
    return static_cast<double>(*middle);
}

DropFacts gather_facts(const std::vector<DeathRecord>& deaths, std::uint8_t listener,
                       const std::function<std::vector<CensusEntry>()>& census) {
    DropFacts facts;
    if (deaths.empty()) return facts;
    facts.count = deaths.size();
    facts.first = deaths.front().at;
    facts.last = deaths.back().at;
    facts.reasons = reasons_of(deaths);
    std::vector<IpAddress> dead;
    dead.reserve(deaths.size());
    for (const DeathRecord& death : deaths) dead.push_back(death.peer);
    std::vector<IpAddress> alive;
    for (const CensusEntry& entry : census ? census() : std::vector<CensusEntry>()) {
        // A suspect is still connected and is no evidence for its prefix.
        const bool counts = entry.listener == listener && entry.opened < facts.first && !entry.suspect;
        if (counts) alive.push_back(entry.peer);
    }
    facts.cover = cover(dead, alive);
    return facts;
}

}  // namespace holdfast
