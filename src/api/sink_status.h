#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "forward/forwarder_options.h"
#include "sink/sink.h"
#include "spool/spool.h"

namespace holdfast {

/// The sink in the answers of the admin API.
struct SinkStatus {
    std::string type;              ///< the word of its type
    std::uint64_t events = 0;      ///< accepted since start
    std::uint64_t lag_events = 0;  ///< those among them that are not written yet
    std::uint64_t bytes = 0;       ///< written
    bool full = false;             ///< accepts no more for now: devices wait
    std::string error = {};        ///< cause of the failure; empty while writing works
    std::optional<SpoolStatus> spool = {};
    std::optional<ForwarderStatus> nats = {};
};

/// Called on admin threads, several at once.
using SinkStatusProvider = std::function<SinkStatus()>;

}  // namespace holdfast
