#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace holdfast {

/// What the admin API says about the sink.
struct SinkStatus {
    std::string type;              ///< "stdout", "file"
    std::uint64_t events = 0;      ///< taken over since start
    std::uint64_t lag_events = 0;  ///< of those, not written yet
    std::uint64_t bytes = 0;       ///< written
    bool full = false;             ///< it takes no more for now: devices wait
    std::string error;             ///< why it cannot write; empty while it can
};

/// Called on admin threads, several at once.
using SinkStatusProvider = std::function<SinkStatus()>;

}  // namespace holdfast
