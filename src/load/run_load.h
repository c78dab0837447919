#pragma once

#include <chrono>
#include <functional>
#include <string>

#include <holdfast/result.h>

#include "load/downlink_gateway.h"
#include "load/load_counts.h"
#include "load/load_options.h"

namespace holdfast {

/// What a run tells while it goes on, on the thread that called run_load. Any may be empty.
struct LoadWatch {
    std::function<void(const LoadCounts&)> ready;  ///< with `hold`: every device has tried to connect
    std::function<void(const LoadCounts&)> sent;   ///< with `hold`: the items that a line asked for are handed over
    std::function<void(const LoadCounts&, std::chrono::milliseconds elapsed)> progress;  ///< once a second
};

struct LoadReport {
    LoadCounts counts;
    std::chrono::milliseconds elapsed{};
    bool interrupted = false;      ///< SIGINT or SIGTERM
    bool complete = false;         ///< every device was connected once, no item or downlink is missing, no trouble
    std::string downlink_trouble;  ///< what was in the way of downlinks at the end, or nothing
};

/// Runs a fleet on threads of its own until the duration is over, or SIGINT or SIGTERM, or, where that was all it had
/// to do, every item is sent. With `hold`, every line on standard input lets each connection send its items, and the
/// end of standard input ends the run. Raises the soft limit of descriptors to the hard one. With a
/// `gateway` it is asked for downlinks until the end, from a thread of its own, and they have two seconds to arrive.
[[nodiscard]] Result<LoadReport> run_load(const LoadOptions& options, const LoadWatch& watch,
                                          DownlinkGateway* gateway = nullptr);

}  // namespace holdfast
