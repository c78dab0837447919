#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Queue of connections that were probed ahead of the kernel and need another check. The first check comes after 400
/// ms. Two more follow while the peer does not answer, so that a slow network does not count as a lost peer. First in,
/// first due; one thread.
class PendingProbes {
public:
    static constexpr std::array<std::chrono::milliseconds, 3> check_times{
        std::chrono::milliseconds(400), std::chrono::milliseconds(1'500), std::chrono::milliseconds(5'000)};
    static constexpr std::size_t max = 65'536;  ///< entries of each check; the kernel alone probes the others

    struct Pending {
        Token number = 0;
        SteadyTime at;
        std::size_t check = 0;                ///< index of the check that is due
        std::chrono::milliseconds silence{};  ///< silence before the probe
        bool watched = true;                  ///< set once a missing answer was reported
        bool overdue = false;                 ///< a missing answer was already reported
    };

    [[nodiscard]] bool full() const { return waiting_[0].size() >= max; }
    void add(Token number, SteadyTime now, std::chrono::milliseconds silence, bool watched) {
        waiting_[0].push_back({.number = number, .at = now, .silence = silence, .watched = watched});
    }
    /// Schedules the next of `check_times` for `pending`; does nothing after the last.
    void check_again(Pending pending) {
        if (++pending.check < check_times.size() && waiting_[pending.check].size() < max)
            waiting_[pending.check].push_back(pending);
    }

    /// Returns the time of the next check, or SteadyTime::max() if the list is empty.
    [[nodiscard]] SteadyTime next_due() const {
        SteadyTime next = SteadyTime::max();
        for (std::size_t check = 0; check < check_times.size(); ++check) {
            if (!waiting_[check].empty()) next = std::min(next, waiting_[check].front().at + check_times[check]);
        }
        return next;
    }

    /// Calls `visit` for each entry that is due. `visit` may call check_again().
    template <typename Visit>
    void due(SteadyTime now, Visit visit) {
        for (std::size_t check = 0; check < check_times.size(); ++check) {
            std::deque<Pending>& queue = waiting_[check];
            while (!queue.empty() && now - queue.front().at >= check_times[check]) {
                const Pending pending = queue.front();
                queue.pop_front();
                visit(pending);
            }
        }
    }

private:
    std::array<std::deque<Pending>, check_times.size()> waiting_;
};

}  // namespace holdfast
