#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "conn/counters.h"
#include "conn/policy.h"

namespace holdfast {

/// Limits on one connection's input per second; the rest waits in the kernel. 0 means no limit.
struct RateLimits {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
};

/// Construction parameters of a Shard.
struct ShardOptions {
    unsigned reactor = 0;                  ///< number of its reactor
    std::uint32_t max_connections = 0;     ///< limit of this shard
    std::size_t max_unfinished = 0;        ///< limit on the bytes of a partial item
    std::vector<ListenerPolicy> policies;  ///< by listener number
    bool observed = false;                 ///< collect the observations that take_observations() returns
    bool canaries = false;                 ///< probe some connections early for these observations
    RateLimits rates = {};
};

/// A listener added to a running shard.
struct NewListener {
    std::uint8_t number = 0;
    ListenerPolicy policy;
    UniqueFd socket;
    std::shared_ptr<ListenerCounters> counters;
};

/// Changes to a listener of a running shard.
struct ListenerChange {
    std::uint8_t number = 0;
    ListenerPolicy policy;
    int backlog = 0;
    UniqueFd socket;  ///< socket of the new address; invalid if unchanged
};

}  // namespace holdfast
