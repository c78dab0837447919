#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "conn/counters.h"
#include "conn/policy.h"

namespace holdfast {

/// Limits on what one connection sends in a second; the rest waits in the kernel. 0: no limit.
struct RateLimits {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
};

/// Construction parameters of a Shard.
struct ShardOptions {
    unsigned reactor = 0;                  ///< number of its reactor
    std::uint32_t max_connections = 0;     ///< of this shard
    std::size_t max_unfinished = 0;        ///< bytes of an item that may wait for its end
    std::vector<ListenerPolicy> policies;  ///< by listener index
    bool observed = false;                 ///< keep what observations() hands on
    bool canaries = false;                 ///< ask some ahead of time, for the sake of those
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
    UniqueFd socket;  ///< of another address; not valid: the same
};

}  // namespace holdfast
