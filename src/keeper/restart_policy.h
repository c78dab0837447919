#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "base/clock.h"

namespace holdfast {

/// How a worker ended.
struct WorkerEnd {
    bool by_signal = false;
    int code = 0;                 ///< exit code, or number of the signal
    bool has_served = false;      ///< it had reported that it serves, and not only waits for space
    bool stop_requested = false;  ///< the keeper had passed on a signal to stop
};

/// Next action of the keeper.
struct KeeperStep {
    enum class Action : std::uint8_t {
        exit,        ///< ends with `code`
        restart,     ///< starts a worker that takes the connections over
        start_over,  ///< closes the connections, and starts a worker without any
    };
    Action action{};
    std::chrono::milliseconds pause{};  ///< before the next worker
    int code = 0;

    friend bool operator==(const KeeperStep&, const KeeperStep&) = default;
};

/// Decides what follows the end of a worker. A worker that ends by itself while it serves, or before any worker served,
/// had a reason that the next one would have, too. A later one that cannot start is followed by others until one can.
/// Pure but for its memory; one thread.
class RestartPolicy {
public:
    /// `max_crashes`: crashes within `memory` after which the connections are given up, since they may be the cause.
    explicit RestartPolicy(unsigned max_crashes) : max_crashes_(max_crashes) {}

    [[nodiscard]] KeeperStep after(const WorkerEnd& end, SteadyTime now);

    static constexpr std::chrono::minutes memory{1};
    static constexpr std::chrono::milliseconds pause_step{50};
    static constexpr std::chrono::milliseconds longest_pause{1'000};
    static constexpr std::chrono::milliseconds longest_pause_to_start{5'000};  ///< after a start that failed
    static constexpr std::chrono::milliseconds longest_pause_over{30'000};     ///< after connections were given up

private:
    [[nodiscard]] KeeperStep start_again();
    [[nodiscard]] KeeperStep start_over();

    const unsigned max_crashes_;
    bool has_served_ = false;
    std::deque<SteadyTime> crashes_;  // within `memory`
    unsigned given_up_ = 0;           // times in a row
    unsigned failed_starts_ = 0;      // likewise
};

}  // namespace holdfast
