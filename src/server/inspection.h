#pragma once

#include <memory>
#include <vector>

#include <holdfast/watch.h>

#include "server/reconcile.h"
#include "server/worker.h"

namespace holdfast {

/// Questions to all reactors whose answers are lists, one paced walk each. Any thread but theirs; each blocks until
/// every reactor has answered.
using Workers = std::vector<std::unique_ptr<Worker>>;

[[nodiscard]] Observations take_observations(const Workers& workers);
[[nodiscard]] std::vector<CensusEntry> take_census(const Workers& workers);
[[nodiscard]] std::vector<IpAddress> sample_peers(const Workers& workers, std::size_t most);
[[nodiscard]] PageVector<HeldSocket> held_sockets(const Workers& workers);

// On its shard's thread.

/// `device` is null if it has not said who it is.
[[nodiscard]] ConnectionRow row_of(const Connection& connection, Shard& shard, const PipelineListener& listener,
                                   const Device* device, std::uint32_t run);
[[nodiscard]] ConnectionDetail detail_of(const Connection& connection, Shard& shard, ConnectionRow row);

}  // namespace holdfast
