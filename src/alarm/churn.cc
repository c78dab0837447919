#include "alarm/churn.h"

#include <cmath>
#include <numeric>

namespace holdfast {
namespace {

// An end and the arrival that makes up for it seldom share a second.
constexpr std::chrono::seconds bucket{5};
constexpr std::size_t min_buckets = 4;

std::uint64_t sum_of(const Churn::Counts& closes, const CloseClasses& classes) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < closes.size(); ++i) sum += classes[i] ? closes[i] : 0;
    return sum;
}

}  // namespace

void Churn::add(Time at, const Counts& closes, std::uint64_t accepted) {
    for (std::size_t i = 0; i < closes.size(); ++i) minute_[i] += closes[i];
    accepted_in_minute_ += accepted;
    if (accepted > 0 || sum_of(closes, {true, true, true}) > 0) steps_.push_back({at, closes, accepted});
}

void Churn::end_minute() {
    const auto ended = static_cast<double>(sum_of(minute_, {true, true, true}));
    const double made_up = ended > 0 ? std::min(1.0, static_cast<double>(accepted_in_minute_) / ended) : 0;
    for (std::size_t i = 0; i < usual_.size(); ++i) {
        usual_[i].add(static_cast<std::uint64_t>(std::llround(made_up * static_cast<double>(minute_[i]))));
        usual_[i].end_minute();
    }
    minute_ = {};
    accepted_in_minute_ = 0;
}

void Churn::forget_until(Time time) {
    while (!steps_.empty() && steps_.front().at <= time) steps_.pop_front();
}

double Churn::a_second(const CloseClasses& classes, Time since, Time now) const {
    double learned = 0;
    for (std::size_t i = 0; i < classes.size(); ++i) learned += classes[i] ? usual(i, std::chrono::seconds(1)) : 0;
    return known() ? learned : std::max(learned, median_a_second(classes, since, now));
}

double Churn::median_a_second(const CloseClasses& classes, Time since, Time now) const {
    const auto buckets = static_cast<std::size_t>(std::max<std::int64_t>(0, (now - since) / bucket));
    if (buckets < min_buckets) return 0;
    std::vector<std::uint64_t> ended(buckets);
    std::vector<std::uint64_t> accepted(buckets);
    for (const Step& step : steps_) {
        if (step.at <= since || step.at > now) continue;
        const auto index = std::min(buckets - 1, static_cast<std::size_t>((step.at - since) / bucket));
        ended[index] += sum_of(step.closes, classes);
        accepted[index] += step.accepted;
    }
    for (std::size_t i = 0; i < buckets; ++i) ended[i] = std::min(ended[i], accepted[i]);
    const auto middle = ended.begin() + static_cast<std::ptrdiff_t>(buckets / 2);
    std::nth_element(ended.begin(), middle, ended.end());
    return static_cast<double>(*middle) / std::chrono::duration<double>(bucket).count();
}

double Churn::counted(const CloseClasses& classes, Time since) const {
    return std::accumulate(steps_.begin(), steps_.end(), 0.0, [&](double sum, const Step& step) {
        return step.at <= since ? sum : sum + static_cast<double>(sum_of(step.closes, classes));
    });
}

}  // namespace holdfast
