#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <holdfast/watch.h>

#include "server/reactor_thread.h"
#include "server/reconciler.h"
#include "tcp/peer_state.h"

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
[[nodiscard]] ConnectionRow row_of(const Connection& connection, Shard& shard, const Pipeline& pipeline,
                                   const Device* device, std::uint32_t run);
[[nodiscard]] ConnectionDetail detail_of(const Connection& connection, Shard& shard, const Pipeline& pipeline,
                                         ConnectionRow row);

// Two connections of one device on any reactors. Any thread; `done` is called on any thread.

/// Reads the connection to its end and closes it as `superseded`; then calls `done`.
inline void supersede(const ReactorThreads& threads, Token former, std::function<void()> done) {
    const bool posted = threads[Registry::reactor_of(former)]->post([former, done](Shard& shard) {
        Connection* connection = shard.registry().find(former);
        if (connection != nullptr) shard.close_after_reading(*connection, CloseReason::superseded);
        shard.after_turn(done);
    });
    if (!posted) done();
}

/// Calls `done` with whether the connection exists and its peer has not shut it down.
inline void confirm(const ReactorThreads& threads, Token holder, std::function<void(bool lives)> done) {
    const bool posted = threads[Registry::reactor_of(holder)]->post([holder, done](Shard& shard) {
        const Connection* connection = shard.registry().find(holder);
        const bool lives = connection != nullptr && !peer_has_shut(connection->fd);
        shard.after_turn([done, lives] { done(lives); });
    });
    if (!posted) done(false);
}

}  // namespace holdfast
