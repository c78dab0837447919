#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "conn/core.h"
#include "conn/drain_run.h"
#include "conn/partings.h"

namespace holdfast {

class MemoryPressure;
class Receiver;
class Sender;
class Walks;

/// Ends connections in order when the gateway begins the end: stop, removal of a listener, or drain. Sends FIN first
/// and reads until the peer's FIN. An earlier close(2) would reset the connection and discard what arrives (RFC 1122,
/// 4.2.2.13). The shard's thread.
class Drainer {
public:
    Drainer(Core& core, MemoryPressure& memory, Receiver& receiver, Sender& sender, Walks& walks)
        : core_(core), memory_(memory), receiver_(receiver), sender_(sender), walks_(walks) {}

    /// Ends the selected connections as `drained`, spread over a time. Connections accepted later stay.
    void drain_over(DrainTask task);
    /// Ends every connection as `shutdown`. A later call can only bring the deadline forward.
    void stop(StopTask task);
    /// Ends the connections of a removed listener as `drained`. From `deadline` on, it does not read them.
    void remove_listener(std::uint8_t number, SteadyTime deadline);
    /// Cancels the removal of a listener; its remaining connections stay.
    void keep_listener(std::uint8_t number);

    /// Ends a connection once its queue is sent: sends FIN, and reads until the peer's.
    void end_after_flush(Connection& connection, const CloseInfo& order);
    /// Continues such an end after the connection's queue was written.
    void check_flushed(Connection& connection);

    /// Continues the stop and the removals for a share of the turn.
    void step();
    /// Forgets removed listeners that have no connections left.
    void forget_removed();
    /// Returns true if step() has work now: connections whose end has not begun, or any after the deadline.
    [[nodiscard]] bool is_due() const;

    /// Reads the last bytes of a connection that is finalized before its peer's FIN.
    void cut_off(Connection& connection);

private:
    struct Removed {
        std::uint8_t number;
        SteadyTime deadline;  ///< in attended time
    };

    void step_drain(const std::shared_ptr<DrainRun>& run);
    [[nodiscard]] bool is_read_for_drain(Connection& connection, const DrainRun& run);
    void end_in_drain(Connection& connection, const std::shared_ptr<DrainRun>& run);
    void step_stop();
    void end_in_stop(Connection& connection);
    void step_removed();
    void end_if_removed(Connection& connection);
    [[nodiscard]] bool has_late() const;

    // drainer_parting.cc
    void close(Connection& connection, CloseInfo end);
    void part(Connection& connection, const CloseInfo& end, SteadyTime deadline,
              std::shared_ptr<const void> order = nullptr);
    void end_hold(Connection& connection);
    void set_timer();
    void check_parting(Connection& connection);

    Core& core_;
    MemoryPressure& memory_;
    Receiver& receiver_;
    Sender& sender_;
    Walks& walks_;
    StopTask stop_;  // valid while core_.stop_deadline is set
    std::uint32_t stop_slot_ = 0;
    std::vector<Removed> removed_;
    std::uint32_t removed_slot_ = 0;
};

}  // namespace holdfast
