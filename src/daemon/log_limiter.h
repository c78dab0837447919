#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "options/daemon_config.h"

namespace holdfast {

/// Limits repeated log lines, so that a fault that occurs ten thousand times a second does not fill the disk. Passes
/// five lines a second of each cause, and counts the others for a report every ten seconds. Pure: the caller passes the
/// time. Used by one thread.
class LogLimiter {
public:
    static constexpr unsigned lines_per_second = 5;
    static constexpr std::chrono::seconds report_every{10};
    /// Maximum number of causes. Further ones share one entry, so that variable causes cannot fill memory.
    static constexpr std::size_t most_causes = 256;

    /// The suppressed lines of one cause.
    struct Held {
        std::string cause;
        LogLevel level{};
        std::uint64_t count = 0;
        std::chrono::seconds over{};  ///< time between the first and the last, rounded up
    };

    /// Returns true if this line may be written, and counts it otherwise.
    [[nodiscard]] bool pass(const std::string& cause, LogLevel level, SteadyTime now);
    /// Returns the due reports and forgets their lines. `all` includes reports that are not due yet.
    [[nodiscard]] std::vector<Held> take_due(SteadyTime now, bool all = false);

private:
    struct State {
        SteadyTime second;  ///< second in which `passed` is counted
        unsigned passed = 0;
        SteadyTime held_since;
        std::uint64_t held = 0;
        LogLevel level{};  ///< most severe level of the suppressed lines
    };
    [[nodiscard]] State& state_of(const std::string& cause, SteadyTime now);

    std::unordered_map<std::string, State> causes_;
};

}  // namespace holdfast
