#pragma once

#include <atomic>
#include <chrono>

#include "admin/wire.h"
#include "trend/event_hub.h"

namespace holdfast {

struct FeedLimits {
    std::chrono::milliseconds glance{50};       ///< a stop, and a client that has left, are noticed within it
    std::chrono::milliseconds stalled{5'000};   ///< a client whose socket is full for so long is dropped
    std::chrono::milliseconds comment{15'000};  ///< quiet for so long: a comment line, lest something between drops it
    int send_buffer_bytes = 256 * 1024;
};

/// Answers a GET of /v1/events on its socket: headers at once, then what the subscription brings as server-sent events
/// (HTML Living Standard, 9.2), until the client leaves or takes nothing, or `stopping`. The caller owns and closes
/// the wire.
void serve_feed(TlsStream& wire, EventHub::Subscription& feed, const std::atomic<bool>& stopping,
                const FeedLimits& limits = {});

}  // namespace holdfast
