#pragma once

#include <memory>
#include <vector>

#include <holdfast/watch.h>

#include "server/reactor_thread.h"
#include "server/reconciler.h"

namespace holdfast {

/// Queries all reactors for lists, with one paced walk each. Any thread except the reactors'; blocks until every
/// reactor has answered.
using ReactorThreads = std::vector<std::unique_ptr<ReactorThread>>;

[[nodiscard]] Observations take_observations(const ReactorThreads& threads);
[[nodiscard]] std::vector<CensusEntry> take_census(const ReactorThreads& threads);
[[nodiscard]] std::vector<IpAddress> sample_peers(const ReactorThreads& threads, std::size_t max);
[[nodiscard]] PageVector<HeldSocket> held_sockets(const ReactorThreads& threads);

// Functions for the shard's thread.

/// Returns the row of a connection; `device` is null if it is not identified.
[[nodiscard]] ConnectionRow row_of(const Connection& connection, Shard& shard, const PipelineListener& listener,
                                   const Device* device, std::uint32_t run);
[[nodiscard]] ConnectionDetail detail_of(const Connection& connection, Shard& shard, ConnectionRow row);

}  // namespace holdfast
