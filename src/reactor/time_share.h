#pragma once

#include "base/clock.h"

namespace holdfast {

/// A phase's share of a turn: work that strangers can make long asks it before each step and leaves the rest to the
/// next turn. Holds a reference to the clock; one thread.
class TimeShare {
public:
    TimeShare(const Clock& clock, SteadyTime begin, SteadyTime::duration length)
        : clock_(clock), end_(begin + length) {}

    [[nodiscard]] bool is_spent() const { return clock_.steady() >= end_; }

private:
    const Clock& clock_;
    SteadyTime end_;
};

}  // namespace holdfast
