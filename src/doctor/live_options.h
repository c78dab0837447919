#pragma once

#include <string>
#include <vector>

#include "doctor/facts.h"

namespace holdfast {

/// What a socket has that its plan has not: "TCP_KEEPIDLE 7200s (planned 10s)"; empty where all is as planned. Pure.
[[nodiscard]] std::string differences(const SocketOptions& is, const LivenessPlan& plan);

/// The listener that accepts on `port`, or null. Pure.
[[nodiscard]] const DemandedListener* listener_of(const std::vector<DemandedListener>& listeners, std::uint16_t port);

}  // namespace holdfast
