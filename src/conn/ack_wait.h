#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>

#include "base/clock.h"
#include "reactor/poller.h"

namespace holdfast {

/// A question whether a connection's peer has acknowledged what was sent to it.
struct AckWait {
    Token number;
    std::uint64_t bytes;  ///< of the connection's bytes_out, which must be acknowledged
    SteadyTime deadline;
    std::chrono::milliseconds pause;
    std::function<void(bool acknowledged)> done;
};
using AckWaits = std::list<AckWait>;

}  // namespace holdfast
