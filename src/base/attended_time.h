#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace holdfast {

/// Measures steady time without the spans in which its owner did not serve its peers: a stopped process, a frozen
/// virtual machine, long work. Deadlines for peers run on it. An absence neither ends a peer's connection nor extends
/// its deadline by more than the absence. Pure; one thread.
class AttendedTime {
public:
    /// Records that the owner was absent for the `length` before `until`. Calls are ordered by `until`.
    void miss(SteadyTime until, std::chrono::nanoseconds length);

    /// Returns the attended time of `time`, which is now or later.
    [[nodiscard]] SteadyTime at(SteadyTime time) const { return time - missed_; }
    /// Returns the steady time of an attended time, provided that no further absence occurs.
    [[nodiscard]] SteadyTime steady(SteadyTime attended) const { return attended + missed_; }

    /// Returns how much of the time since `since` was missed. Exact for the latest `max_absences` absences. Older ones
    /// are merged; a time within a merged group counts as missed as far back as the group's sum reaches.
    [[nodiscard]] std::chrono::nanoseconds missed_since(SteadyTime since) const;

    static constexpr std::size_t max_absences = 1'024;

private:
    struct Absence {
        SteadyTime until;
        std::chrono::nanoseconds before;  ///< missed before this absence
    };
    void merge_pairs();

    std::vector<Absence> absences_;
    std::chrono::nanoseconds missed_{0};
};

/// Detects absences: the owner reports when its next turn is due and when it starts. Pure; one thread.
class AbsenceDetector {
public:
    /// Longest delay of a turn that is no absence. Scheduling and the work of a busy turn stay below it.
    static constexpr std::chrono::milliseconds tolerance{250};

    /// Sets the latest start of the next turn; SteadyTime::max() if none is planned.
    void expect(SteadyTime due) { due_ = due; }
    /// Returns how much time before `now` was missed, or zero if the turn started in time. The tolerance counts as
    /// attended, so that attended time advances even if every turn is late.
    [[nodiscard]] std::chrono::nanoseconds absence(SteadyTime now) const {
        const bool late = due_ < now && now - due_ > tolerance;
        return late ? now - due_ - tolerance : std::chrono::nanoseconds(0);
    }

private:
    SteadyTime due_ = SteadyTime::max();
};

}  // namespace holdfast
