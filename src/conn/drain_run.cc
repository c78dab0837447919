#include "conn/drain_run.h"

#include <algorithm>
#include <random>

namespace holdfast {

namespace {

using std::chrono::milliseconds;

}  // namespace

void DrainRun::all_added() {
    found_ = numbers_.size();
    std::shuffle(numbers_.begin(), numbers_.end(), std::mt19937_64(task_.seed));
    task_.progress->found += found_;
}

/// Returns the middle of the connection's share of the time, or the end for one that was put off.
SteadyTime DrainRun::turn_of(std::size_t place) const {
    if (place >= found_) return task_.began + task_.over;
    const double share = (static_cast<double>(place) + 0.5) / static_cast<double>(found_);
    return task_.began + std::chrono::duration_cast<SteadyTime::duration>(task_.over * share);
}

std::optional<SteadyTime> DrainRun::next() const {
    return next_ < numbers_.size() ? std::optional(turn_of(next_)) : std::nullopt;
}

std::optional<Token> DrainRun::due(SteadyTime now) const {
    const auto turn = next();
    return turn && *turn <= now ? std::optional(numbers_[next_]) : std::nullopt;
}

void DrainRun::put_off() {
    const Token number = numbers_[next_++];
    numbers_.push_back(number);
}

void DrainRun::done(bool ended) {
    ++next_;
    ++(ended ? task_.progress->ended : task_.progress->gone);
}

std::string DrainRun::goodbye(const Connection& connection, SteadyTime now) const {
    if (!task_.goodbye) return {};
    const SteadyTime back = turn_of(next_) + task_.over;  // same order and spacing as the ends
    const auto retry_after = task_.come_back_later ? std::chrono::ceil<milliseconds>(back - now) : milliseconds(0);
    return task_.goodbye(connection, std::max(retry_after, milliseconds(0)));
}

}  // namespace holdfast
