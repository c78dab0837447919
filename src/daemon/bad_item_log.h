#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include <holdfast/bad_items.h>

#include "base/clock.h"
#include "daemon/log.h"

namespace holdfast {

/// Logs bad items with their first bytes: one line per device and kind within a minute. A device without an id is its
/// address. Reads them from the server's ring, so that no reactor waits for the log. One thread.
class BadItemLog {
public:
    static constexpr std::chrono::minutes every{1};
    static constexpr std::size_t max_devices = 4'096;

    BadItemLog(std::function<BadItemPage(const BadItemQuery&)> source, Log& log)
        : source_(std::move(source)), log_(log) {}

    /// Logs what has arrived since the last call. Call it about once a second.
    void report(SteadyTime now);

private:
    struct Line {
        SteadyTime at{};
        std::uint64_t held = 0;  // bad items since then
    };
    void take(const BadItemRow& row, SteadyTime now);
    void forget_old(SteadyTime now);

    std::function<BadItemPage(const BadItemQuery&)> source_;
    Log& log_;
    std::uint64_t newest_ = 0;
    std::map<std::pair<std::string, BadItem>, Line> lines_;  // by device and kind
};

}  // namespace holdfast
