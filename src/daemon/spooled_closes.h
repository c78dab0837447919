#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include <holdfast/events.h>

#include "spool/spool.h"

namespace holdfast {

/// Returns the connection of a `closed` event. Its listener, its key and its bad items are missing. nullopt for another
/// line. Pure.
[[nodiscard]] std::optional<ClosedLife> parse_closed_line(std::string_view line);

/// Limits of closes_after().
struct SpooledCloses {
    std::size_t max = 10'000;
    std::chrono::milliseconds max_time{1'000};
    Position step = 4'096;  ///< events of one page
};

/// Returns the connections whose `closed` events the spool has after that position, oldest first. Reads the newest
/// pages first, so that the limits leave out the oldest. Blocks for the disk.
[[nodiscard]] std::vector<ClosedLife> closes_after(Spool& spool, Position after, const SpooledCloses& limits = {});

}  // namespace holdfast
