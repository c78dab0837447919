#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "conn/connection.h"

namespace holdfast {

/// Describes how a stop ends the connections of each reactor. The function is called on the reactor's thread.
struct StopTask {
    SteadyTime deadline;  ///< from then on nothing more is read
    /// Makes the framed item that says when to come back; empty: devices are not told.
    std::function<std::string(const Connection&, std::chrono::milliseconds retry_after)> goodbye = {};
    std::chrono::milliseconds spread{};  ///< of the times that devices are told
    std::uint64_t seed = 0;              ///< of these times
    std::uint64_t told = 0;              ///< devices so far
};

/// Returns the time that the `nth` device of a stop is told: no sooner than a gateway restarts, and as far from those
/// of all others as `spread` allows, however many they are (multiples of the golden ratio, modulo 1). Pure.
[[nodiscard]] inline std::chrono::milliseconds retry_after(const StopTask& task, std::uint64_t nth) {
    constexpr std::chrono::milliseconds soonest{1'000};
    constexpr std::uint64_t golden_ratio = 0x9e37'79b9'7f4a'7c15;  // of 2^64
    const double share = static_cast<double>((task.seed + nth * golden_ratio) >> 11) * 0x1p-53;
    return soonest + std::chrono::duration_cast<std::chrono::milliseconds>(task.spread * share);
}

}  // namespace holdfast
