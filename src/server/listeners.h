#pragma once

#include <vector>

#include <holdfast/config.h>
#include <holdfast/liveness.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"
#include "tcp/socket_options.h"

namespace holdfast {

/// One configured listener, bound: a listening socket for each reactor.
struct BoundListener {
    LivenessPlan plan;  ///< as read back from an accepted socket
    Endpoint address;   ///< with the port that the kernel chose
    std::vector<UniqueFd> sockets;
};

/// Binds every listener `reactors` times and proves its plan. On an error nothing stays bound.
[[nodiscard]] Result<std::vector<BoundListener>> bind_listeners(const std::vector<ListenerConfig>& listeners,
                                                                unsigned reactors);

}  // namespace holdfast
