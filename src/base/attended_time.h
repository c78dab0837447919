#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace holdfast {

/// Steady time less the spans in which its owner did not attend to its peers: a stopped process, a frozen virtual
/// machine, one long piece of work. A deadline on a peer's behaviour runs on it, so that no peer pays for an absence
/// and no peer gains more than the absence. Pure; one thread.
class AttendedTime {
public:
    /// Records that the owner missed the `length` before `until`. Calls come in the order of `until`.
    void miss(SteadyTime until, std::chrono::nanoseconds length);

    /// Returns the point on the time line without absences that belongs to `time`, which is now or later.
    [[nodiscard]] SteadyTime at(SteadyTime time) const { return time - missed_; }
    /// Returns the steady time of a point on that line, as long as the owner misses nothing more.
    [[nodiscard]] SteadyTime steady(SteadyTime attended) const { return attended + missed_; }

    /// Returns how much of the time since `since` was missed. Exact for the latest `max_absences` absences; older ones
    /// are merged, and a time within a merged group counts as missed as far back as the group's sum reaches.
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

/// Tells an absence from an ordinary wait: the owner says when its next turn is due and when it comes. Pure; one
/// thread.
class AbsenceDetector {
public:
    /// A turn that comes later than this after it was due is late. Scheduling and the work of a busy turn stay below
    /// it.
    static constexpr std::chrono::milliseconds tolerance{250};

    /// Sets when the next turn is due at the latest; SteadyTime::max() if nothing is planned.
    void expect(SteadyTime due) { due_ = due; }
    /// Returns how much time before `now` was missed; zero if the turn came in time. The tolerance counts as attended,
    /// so that attended time passes even where every turn is late.
    [[nodiscard]] std::chrono::nanoseconds absence(SteadyTime now) const {
        const bool late = due_ < now && now - due_ > tolerance;
        return late ? now - due_ - tolerance : std::chrono::nanoseconds(0);
    }

private:
    SteadyTime due_ = SteadyTime::max();
};

}  // namespace holdfast
