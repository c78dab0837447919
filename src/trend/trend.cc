#include "trend/trend.h"

#include <algorithm>

#include "trend/trend_history.h"

namespace holdfast {
namespace {

void add(TrendCounters& sum, const TrendCounters& more) {
    sum.accepted += more.accepted;
    sum.refused += more.refused;
    sum.items += more.items;
    sum.bad_items += more.bad_items;
    for (std::size_t i = 0; i < sum.closed.size(); ++i) sum.closed[i] += more.closed[i];
}

}  // namespace

Trend::Trend() : all_(std::make_unique<TrendHistory>()) {}
Trend::~Trend() = default;

void Trend::sample(SteadyTime now, EventTime wall, const ServerStatus& status) {
    const std::lock_guard lock(mutex_);
    const auto elapsed = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
    if (!first_) first_ = wall.time_since_epoch() - elapsed - stepped_;
    stepped_ += wall_line_.follow(now, wall);
    const EventTime own(*first_ + elapsed);
    const auto at = std::chrono::floor<std::chrono::seconds>(own);
    for (auto& [name, history] : by_name_) {
        if (!history->gone_since) history->gone_since = own;
    }
    TrendCounters grown_in_all;
    std::uint64_t connections = 0;
    for (const ListenerStatus& listener : status.listeners) {
        auto& history = by_name_[listener.name];
        if (!history) history = std::make_unique<TrendHistory>();
        history->gone_since.reset();
        const TrendCounters grown = history->grown(listener.number, counters_of(listener));
        history->add(at, listener.connections, grown);
        add(grown_in_all, grown);
        connections += listener.connections;
    }
    all_->add(at, connections, grown_in_all);
    forget_the_gone(own);
}

/// Removes listeners an hour after their end. Until then they continue with empty samples, so that their history stays
/// readable.
void Trend::forget_the_gone(EventTime own) {
    std::size_t gone = 0;
    auto longest = by_name_.end();
    for (auto it = by_name_.begin(); it != by_name_.end();) {
        TrendHistory& history = *it->second;
        if (history.gone_since && own - *history.gone_since >= gone_listener_kept) {
            it = by_name_.erase(it);
            continue;
        }
        if (history.gone_since) {
            history.add_absent(std::chrono::floor<std::chrono::seconds>(own));
            ++gone;
            if (longest == by_name_.end() || *history.gone_since < *longest->second->gone_since) longest = it;
        }
        ++it;
    }
    if (gone > gone_listeners_kept) by_name_.erase(longest);
}

TrendAnswer Trend::answer(const TrendQuery& query) const {
    const std::lock_guard lock(mutex_);
    TrendAnswer answer = own_answer(query);
    for (TrendPoint& point : answer.points) point.at += std::chrono::floor<std::chrono::seconds>(stepped_);
    return answer;
}

TrendAnswer Trend::own_answer(const TrendQuery& query) const {
    const auto window = std::clamp(query.window, std::chrono::seconds(1), coarse_window);
    if (!query.listener) return all_->answer(window, query.step);
    const auto found = by_name_.find(*query.listener);
    if (found != by_name_.end()) return found->second->answer(window, query.step);
    return {};
}

}  // namespace holdfast
