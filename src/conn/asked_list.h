#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// Connections that were asked ahead of the kernel and must be looked at again: after a moment, and, while they do not
/// answer, twice more, so that a slow network is not taken for a dead one. First in, first due; one thread.
class AskedList {
public:
    static constexpr std::array<std::chrono::milliseconds, 3> looks{
        std::chrono::milliseconds(400), std::chrono::milliseconds(1'500), std::chrono::milliseconds(5'000)};
    static constexpr std::size_t most = 65'536;  ///< of each look; the kernel asks the others as ever

    struct Asked {
        Token number = 0;
        SteadyTime at;
        std::size_t look = 0;                 ///< index of the one that is due
        std::chrono::milliseconds silence{};  ///< before it was asked
        bool watched = true;                  ///< its answer is looked for, and not only its option put back
        bool overdue = false;                 ///< was noticed to be
    };

    [[nodiscard]] bool full() const { return waiting_[0].size() >= most; }
    void add(Token number, SteadyTime now, std::chrono::milliseconds silence, bool watched) {
        waiting_[0].push_back({.number = number, .at = now, .silence = silence, .watched = watched});
    }
    /// The same one once more, after the next of `looks`; forgotten after the last.
    void look_again(Asked asked) {
        if (++asked.look < looks.size() && waiting_[asked.look].size() < most) waiting_[asked.look].push_back(asked);
    }

    /// Returns when the next is due; SteadyTime::max() if none waits.
    [[nodiscard]] SteadyTime next_due() const {
        SteadyTime next = SteadyTime::max();
        for (std::size_t look = 0; look < looks.size(); ++look) {
            if (!waiting_[look].empty()) next = std::min(next, waiting_[look].front().at + looks[look]);
        }
        return next;
    }

    /// Calls `visit` for each that is due; it may call look_again.
    template <typename Visit>
    void due(SteadyTime now, Visit visit) {
        for (std::size_t look = 0; look < looks.size(); ++look) {
            std::deque<Asked>& queue = waiting_[look];
            while (!queue.empty() && now - queue.front().at >= looks[look]) {
                const Asked asked = queue.front();
                queue.pop_front();
                visit(asked);
            }
        }
    }

private:
    std::array<std::deque<Asked>, looks.size()> waiting_;
};

}  // namespace holdfast
