#pragma once

#include <string>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

namespace holdfast {

/// One connection as the gateway lists it.
struct GatewayConnection {
    std::string id;
    Endpoint peer;  ///< the peer's address as the gateway sees it
};

/// The part of the gateway's admin API that a fleet uses. Its answers are untrusted.
class DownlinkGateway {
public:
    virtual ~DownlinkGateway() = default;

    /// Returns all connections of the gateway.
    [[nodiscard]] virtual Result<std::vector<GatewayConnection>> connections() = 0;
    /// Requests a downlink of `object`. Returns the HTTP status, or why there is no answer.
    [[nodiscard]] virtual Result<int> send(const std::string& id, const std::string& object) = 0;
    /// Cancels the current request and all later ones. Any thread.
    virtual void break_off() noexcept = 0;
};

}  // namespace holdfast
