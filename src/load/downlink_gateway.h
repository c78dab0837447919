#pragma once

#include <string>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// One connection as the gateway tells it.
struct GatewayConnection {
    std::string id;
    Endpoint peer;  ///< where the gateway sees it come from
};

/// The gateway's admin side as a fleet needs it. What it tells comes from outside and may be anything.
class DownlinkGateway {
public:
    virtual ~DownlinkGateway() = default;

    /// All of its connections.
    [[nodiscard]] virtual Result<std::vector<GatewayConnection>> connections() = 0;
    /// Asks it to send `object` to the connection: the HTTP status of its answer, or why there is none.
    [[nodiscard]] virtual Result<int> send(const std::string& id, const std::string& object) = 0;
    /// Breaks off what is being asked, and all that will be. Any thread.
    virtual void break_off() noexcept = 0;
};

}  // namespace holdfast
