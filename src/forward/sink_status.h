#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "forward/forwarder_options.h"
#include "spool/spool.h"

namespace holdfast {

/// State of the configured sink: the input of alarms, of /v1/status and of /metrics.
struct SinkStatus {
    std::string type = {};         ///< the word of its type
    std::uint64_t events = 0;      ///< accepted since start
    std::uint64_t lag_events = 0;  ///< not written yet, or not acknowledged by NATS yet
    std::uint64_t bytes = 0;       ///< written
    bool full = false;             ///< accepts no more for now: devices wait
    std::string error = {};        ///< cause of the failure; empty while writing works
    std::optional<SpoolStatus> spool = {};
    std::optional<ForwarderStatus> nats = {};

    /// Returns the number of events that the sink itself has not written. Events that wait for NATS are in the spool.
    [[nodiscard]] std::uint64_t unwritten() const {
        return lag_events - std::min(lag_events, nats ? nats->lag_events : 0);
    }
};

}  // namespace holdfast
