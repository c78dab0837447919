#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "options/daemon_config.h"

namespace holdfast {

/// Keeps a log readable and its disk free while something goes wrong ten thousand times a second: of each cause five
/// lines a second pass, the others are counted and told of once in ten seconds. Pure: time comes in; one thread.
class LogLimiter {
public:
    static constexpr unsigned lines_per_second = 5;
    static constexpr std::chrono::seconds told_every{10};
    /// Causes known at once; what comes beyond them shares one more, so that a cause that varies cannot fill memory.
    static constexpr std::size_t most_causes = 256;

    /// Lines of one cause that did not pass.
    struct Held {
        std::string cause;
        LogLevel level{};
        std::uint64_t count = 0;
        std::chrono::seconds over{};  ///< the time in which they came, rounded up
    };

    /// Whether this line may be written.
    [[nodiscard]] bool pass(const std::string& cause, LogLevel level, SteadyTime now);
    /// What is to be told of now, and is forgotten by it; `all`: also what is not due yet.
    [[nodiscard]] std::vector<Held> take_due(SteadyTime now, bool all = false);

private:
    struct State {
        SteadyTime second;  ///< in which `passed` is counted
        unsigned passed = 0;
        SteadyTime held_since;
        std::uint64_t held = 0;
        LogLevel level{};  ///< of the gravest line held
    };
    [[nodiscard]] State& state_of(const std::string& cause, SteadyTime now);

    std::unordered_map<std::string, State> causes_;
};

}  // namespace holdfast
