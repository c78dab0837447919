#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace holdfast {

/// Spreads one look at every slot over a period: how many are due now, in slices. Pure but for its own debt.
class SweepPace {
public:
    SweepPace(std::chrono::milliseconds period, SteadyTime start) : period_(period), last_(start) {}

    /// Slots to look at in this turn, at most `slice`; what is owed beyond stays owed, up to one look at each.
    [[nodiscard]] std::uint32_t take(SteadyTime now, std::uint32_t slots, std::uint32_t slice) {
        const double periods = std::chrono::duration<double>(now - last_) / std::chrono::duration<double>(period_);
        last_ = now;
        owed_ = std::min(owed_ + periods * slots, static_cast<double>(slots));
        const auto due = std::min(static_cast<std::uint32_t>(owed_), slice);
        owed_ -= due;
        return due;
    }
    [[nodiscard]] bool behind() const { return owed_ >= 1; }

    /// How often to call: often enough that slices stay small, seldom enough that an idle gateway sleeps.
    [[nodiscard]] std::chrono::milliseconds interval() const {
        return std::max(period_ / 10, std::chrono::milliseconds(10));
    }

private:
    std::chrono::milliseconds period_;
    SteadyTime last_;
    double owed_ = 0;
};

}  // namespace holdfast
