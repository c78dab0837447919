#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/events.h>
#include <holdfast/server.h>

namespace holdfast {

/// What happened in one step of time, and what stood at its end.
struct TrendPoint {
    EventTime at;                   ///< the step's end
    std::uint64_t connections = 0;  ///< at its end
    std::uint64_t fewest = 0;       ///< connections, at any sample of the step
    std::uint64_t most = 0;
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
    std::array<std::uint64_t, close_reason_count> closed{};  ///< by CloseReason
    std::uint64_t items = 0;
    std::uint64_t bad_items = 0;
};

struct TrendQuery {
    std::chrono::seconds window{3'600};   ///< back from the latest sample
    std::chrono::seconds step{0};         ///< 0: the finest that gives at most 600 points
    std::optional<std::string> listener;  ///< nothing: all together
};

struct TrendAnswer {
    std::chrono::seconds step{};     ///< what it became: a whole number of samples of the ring that holds the window
    std::vector<TrendPoint> points;  ///< oldest first; none for before the gateway's start
};

}  // namespace holdfast
