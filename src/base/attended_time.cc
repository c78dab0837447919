#include "base/attended_time.h"

#include <algorithm>

namespace holdfast {

void AttendedTime::miss(SteadyTime until, std::chrono::nanoseconds length) {
    if (length <= std::chrono::nanoseconds(0)) return;
    if (absences_.size() == max_absences) merge_pairs();
    absences_.push_back({.until = until, .before = missed_});
    missed_ += length;
}

std::chrono::nanoseconds AttendedTime::missed_since(SteadyTime since) const {
    const auto first = std::upper_bound(absences_.begin(), absences_.end(), since,
                                        [](SteadyTime time, const Absence& absence) { return time < absence.until; });
    if (first == absences_.end()) return std::chrono::nanoseconds(0);
    const auto next = first + 1;
    const auto after = next == absences_.end() ? missed_ : next->before;
    const auto length = after - first->before;
    // `since` may lie within the absence.
    return missed_ - after + std::min<std::chrono::nanoseconds>(length, first->until - since);
}

/// Halves the history. An older absence was merged more often, so that the error stays small in relation to its age.
void AttendedTime::merge_pairs() {
    for (std::size_t pair = 0; pair < absences_.size() / 2; ++pair) {
        absences_[pair] = {.until = absences_[2 * pair + 1].until, .before = absences_[2 * pair].before};
    }
    absences_.resize(absences_.size() / 2);
}

}  // namespace holdfast
