#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "conn/connection.h"

namespace holdfast {

/// Parameters of a stop on one reactor. The function is called on the reactor's thread.
struct StopTask {
    SteadyTime deadline;  ///< end of all reading
    /// Returns the framed item with the time to come back. If unset, devices are not notified.
    std::function<std::string(const Connection&, std::chrono::milliseconds retry_after)> goodbye = {};
    std::chrono::milliseconds spread{};  ///< range of the times to come back
    std::uint64_t seed = 0;              ///< seed of these times
    std::uint64_t told = 0;              ///< devices notified so far
};

/// Returns the time after which the `nth` device of a stop should come back, at least the time of a restart. All times
/// are as far apart as `spread` allows for any number of devices (multiples of the golden ratio, modulo 1). Pure.
[[nodiscard]] inline std::chrono::milliseconds retry_after(const StopTask& task, std::uint64_t nth) {
    constexpr std::chrono::milliseconds soonest{1'000};
    constexpr std::uint64_t golden_ratio = 0x9e37'79b9'7f4a'7c15;  // as a fraction of 2^64
    const double share = static_cast<double>((task.seed + nth * golden_ratio) >> 11) * 0x1p-53;
    return soonest + std::chrono::duration_cast<std::chrono::milliseconds>(task.spread * share);
}

}  // namespace holdfast
