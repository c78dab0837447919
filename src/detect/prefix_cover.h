#pragma once

#include <cstddef>
#include <vector>

#include <holdfast/endpoint.h>

namespace holdfast {

/// A prefix of failed or suspect peers.
struct PrefixShare {
    Prefix prefix;
    std::size_t dead = 0;   ///< ended, or suspect
    std::size_t alive = 0;  ///< connections from before the drop that still live, or that are not suspect

    friend bool operator==(const PrefixShare&, const PrefixShare&) = default;
};

/// The prefixes that the failed peers lie in.
struct PrefixCover {
    std::vector<PrefixShare> prefixes;  ///< most failed peers first; empty: they are scattered
    std::size_t elsewhere = 0;          ///< failed peers in none of them
};

inline constexpr std::size_t max_cover_prefixes = 8;

/// Returns the smallest prefixes that cover the failed peers without the living. `dead` and `alive` have an address for
/// each connection. In a prefix at least 80 % have failed, and more than chance explains. Failures below 2 %, or up to
/// three, do not get a prefix of their own. The rest is `elsewhere`; failed peers scattered among the living give no
/// prefix. IPv4 and IPv6 peers have prefixes of their own. Pure; O(n log n): 100,000 failed and 1,000,000 living in a
/// fraction of a second.
[[nodiscard]] PrefixCover cover(const std::vector<IpAddress>& dead, const std::vector<IpAddress>& alive);

}  // namespace holdfast
