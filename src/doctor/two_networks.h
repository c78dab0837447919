#pragma once

#include <string>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Two network namespaces of this process's own, joined by a wire: the gateway's and the devices'. They have no name
/// and end with the process. Made before any thread; entering one is for the calling thread and those it makes.
class TwoNetworks {
public:
    /// As root, or in a user namespace where this user may have one. An error says what is missing. Leaves the
    /// process in the gateway's network.
    [[nodiscard]] static Result<TwoNetworks> make();

    void enter_gateway() const;
    void enter_devices() const;

    [[nodiscard]] static IpAddress gateway_address();
    [[nodiscard]] static IpAddress device_address();
    /// Another one of the devices' side, until lose_route(): from then on a router's ICMP answers for it.
    [[nodiscard]] static IpAddress far_address();
    [[nodiscard]] std::string lose_route() const;  ///< empty, or why it did not work

private:
    TwoNetworks(UniqueFd gateway, UniqueFd devices) : gateway_(std::move(gateway)), devices_(std::move(devices)) {}

    [[nodiscard]] std::string wire() const;

    UniqueFd gateway_;
    UniqueFd devices_;
};

}  // namespace holdfast
