#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "server/reactor_thread.h"
#include "tcp/peer_state.h"

namespace holdfast {

// Two connections of one device on any reactors. Any thread; `done` is called on any thread.

/// Reads the connection to its end and closes it as `superseded`; then calls `done`.
inline void supersede(const std::vector<std::unique_ptr<ReactorThread>>& threads, Token former,
                      std::function<void()> done) {
    const bool posted = threads[Registry::reactor_of(former)]->post([former, done](Shard& shard) {
        Connection* connection = shard.registry().find(former);
        if (connection != nullptr) shard.close_after_reading(*connection, CloseReason::superseded);
        shard.after_turn(done);
    });
    if (!posted) done();
}

/// Calls `done` with whether the connection exists and its peer has not shut it down.
inline void confirm(const std::vector<std::unique_ptr<ReactorThread>>& threads, Token holder,
                    std::function<void(bool lives)> done) {
    const bool posted = threads[Registry::reactor_of(holder)]->post([holder, done](Shard& shard) {
        const Connection* connection = shard.registry().find(holder);
        const bool lives = connection != nullptr && !peer_has_shut(connection->fd);
        shard.after_turn([done, lives] { done(lives); });
    });
    if (!posted) done(false);
}

}  // namespace holdfast
