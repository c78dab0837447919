#pragma once

#include <chrono>
#include <functional>
#include <string>

#include <holdfast/result.h>

#include "load/downlink_requester.h"
#include "load/load_counts.h"
#include "load/load_options.h"

namespace holdfast {

/// Callbacks of a run, on the thread that called run_load. Each may be empty.
struct LoadWatch {
    std::function<void(const LoadCounts&)> ready;  ///< with `hold`: every device has tried to connect
    std::function<void(const LoadCounts&)> sent;   ///< with `hold`: the items that a line requested were sent
    std::function<void(const LoadCounts&, std::chrono::milliseconds elapsed)> progress;  ///< once a second
};

struct LoadReport {
    LoadCounts counts;
    std::chrono::milliseconds elapsed{};
    bool interrupted = false;      ///< by SIGINT or SIGTERM
    bool complete = false;         ///< every device connected once, no item or downlink is missing, no trouble
    std::string downlink_trouble;  ///< what prevented downlinks at the end, or empty
};

/// Runs a fleet on its own threads until the duration is over, SIGINT or SIGTERM arrives, or, without further work,
/// every item is sent. With `hold`, each line on standard input lets every connection send its items, and end of file
/// ends the run. Raises the soft limit of descriptors to the hard one. With a `gateway`, a further thread requests
/// downlinks from it until the end, and they have two seconds to arrive.
[[nodiscard]] Result<LoadReport> run_load(const LoadOptions& options, const LoadWatch& watch,
                                          DownlinkGateway* gateway = nullptr);

}  // namespace holdfast
