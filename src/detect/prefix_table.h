#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include <holdfast/status.h>
#include <holdfast/watch.h>

namespace holdfast {

/// Counts of a prefix.
struct PrefixRow {
    Prefix prefix;
    std::size_t connections = 0;
    std::size_t suspects = 0;
    std::array<std::size_t, close_reason_count> closed{};  ///< by CloseReason
    std::size_t closed_total = 0;
};

struct PrefixTable {
    PrefixRow all;                ///< sum of the rows
    std::vector<PrefixRow> rows;  ///< most suspects and closes first, then most connections
};

/// Groups connections and closes by the prefixes that divide `within` (nullopt: all addresses). IPv4 is divided at 8,
/// 16, 24 and 32 bits, IPv6 at 32, 48, 56, 64 and 128. The shortest length that gives at least two groups is taken;
/// for a single address, its full length. Peers outside `within` do not count. Pure; O(n log n).
[[nodiscard]] PrefixTable prefix_table(const std::optional<Prefix>& within, const std::vector<CensusEntry>& open,
                                       const std::vector<ClosedLife>& closed);

}  // namespace holdfast
