#include "trend/trend_history.h"

#include <limits>

#include "model/counter_rows.h"

namespace holdfast {
namespace {

using std::chrono::seconds;

void grow(std::uint32_t& count, std::uint64_t by) {
    constexpr std::uint64_t max = std::numeric_limits<std::uint32_t>::max();
    count = static_cast<std::uint32_t>(std::min(max, count + std::min(max, by)));
}

seconds rounded_up(seconds duration, seconds unit) { return (duration + unit - seconds(1)) / unit * unit; }

}  // namespace

TrendCounters counters_of(const ListenerStatus& listener) {
    TrendCounters counters;
    counters.accepted = listener.accepted;
    counters.refused = listener.refused_descriptors;
    for (const std::uint64_t count : listener.refused) counters.refused += count;
    counters.closed = listener.closed;
    counters.items = listener.items;
    for (const std::uint64_t count : listener.bad_items) counters.bad_items += count;
    return counters;
}

void TrendSlot::add(std::uint64_t now_connections, const TrendCounters& grown) {
    connections = static_cast<std::uint32_t>(now_connections);
    fewest = std::min(fewest, connections);
    max = std::max(max, connections);
    grow(accepted, grown.accepted);
    grow(refused, grown.refused);
    grow(items, grown.items);
    grow(bad_items, grown.bad_items);
    for (std::size_t i = 0; i < closed.size(); ++i) grow(closed[i], grown.closed[i]);
}

TrendSlot& TrendRing::push(std::uint64_t connections) {
    newest_ = (newest_ + 1) % slots_.size();
    used_ = std::min(used_ + 1, slots_.size());
    slots_[newest_] = TrendSlot{};
    TrendSlot& slot = slots_[newest_];
    slot.connections = slot.fewest = slot.max = static_cast<std::uint32_t>(connections);
    return slot;
}

void TrendRing::add(std::chrono::sys_seconds at, std::uint64_t connections, const TrendCounters& grown) {
    const std::int64_t unit = at.time_since_epoch() / unit_;
    const std::int64_t ahead = unit - newest_unit_;
    const bool same = used_ > 0 && ahead <= 0;
    if (used_ > 0 && ahead > 1) {
        const auto missed = std::min<std::int64_t>(ahead - 1, static_cast<std::int64_t>(slots_.size()));
        const std::uint32_t stood = slots_[newest_].connections;
        for (std::int64_t i = 0; i < missed; ++i) push(stood);
    }
    if (!same) {
        push(connections);
        newest_unit_ = unit;
    }
    latest_ = at;
    slots_[newest_].add(connections, grown);
}

/// Returns the slots from `farthest` to `nearest`, counted back from the newest, as one point without its time.
TrendPoint TrendRing::sum(std::size_t farthest, std::size_t nearest) const {
    TrendPoint point;
    point.fewest = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t distance = farthest + 1; distance-- > nearest;) {
        const TrendSlot& slot = back(distance);
        point.connections = slot.connections;
        point.fewest = std::min<std::uint64_t>(point.fewest, slot.fewest);
        point.max = std::max<std::uint64_t>(point.max, slot.max);
        point.accepted += slot.accepted;
        point.refused += slot.refused;
        point.items += slot.items;
        point.bad_items += slot.bad_items;
        for (std::size_t i = 0; i < slot.closed.size(); ++i) point.closed[i] += slot.closed[i];
    }
    return point;
}

std::vector<TrendPoint> TrendRing::points(std::chrono::seconds window, std::chrono::seconds step) const {
    std::vector<TrendPoint> points;
    const auto a_step = static_cast<std::size_t>(step / unit_);
    const auto wanted = std::min(static_cast<std::size_t>(window / unit_), slots_.size());
    const std::size_t held = std::min(wanted, used_);
    for (std::size_t left = (held + a_step - 1) / a_step; left-- > 0;) {
        const std::size_t nearest = left * a_step;
        TrendPoint point = sum(std::min(nearest + a_step, held) - 1, nearest);
        const std::int64_t unit = newest_unit_ - static_cast<std::int64_t>(nearest);
        const std::chrono::sys_seconds end(unit_ == seconds(1) ? seconds(unit) : (unit + 1) * unit_);
        point.at = std::min(end, latest_);
        points.push_back(point);
    }
    return points;
}

TrendCounters TrendHistory::grown(std::uint8_t number, const TrendCounters& now) {
    if (number_ != number) last_ = TrendCounters{};
    number_ = number;
    TrendCounters by;
    by.accepted = counter_growth(now.accepted, last_.accepted);
    by.refused = counter_growth(now.refused, last_.refused);
    by.items = counter_growth(now.items, last_.items);
    by.bad_items = counter_growth(now.bad_items, last_.bad_items);
    for (std::size_t i = 0; i < by.closed.size(); ++i) by.closed[i] = counter_growth(now.closed[i], last_.closed[i]);
    last_ = now;
    return by;
}

void TrendHistory::add(std::chrono::sys_seconds at, std::uint64_t connections, const TrendCounters& grown) {
    fine_.add(at, connections, grown);
    coarse_.add(at, connections, grown);
}

void TrendHistory::add_absent(std::chrono::sys_seconds at) {
    number_.reset();
    add(at, 0, TrendCounters{});
}

TrendAnswer TrendHistory::answer(std::chrono::seconds window, std::chrono::seconds step) const {
    const TrendRing& ring = window <= Trend::fine_window ? fine_ : coarse_;
    constexpr int max_points = 600;
    if (step <= seconds(0)) step = seconds((window.count() + max_points - 1) / max_points);
    TrendAnswer answer;
    window = rounded_up(window, ring.unit());
    answer.step = std::min(rounded_up(std::min(step, window), ring.unit()), window);
    answer.points = ring.points(window, answer.step);
    return answer;
}

}  // namespace holdfast
