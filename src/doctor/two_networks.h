#pragma once

#include <memory>
#include <string>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"
#include "doctor/slow_wire.h"

namespace holdfast {

/// Network namespaces of this process's own, the gateway's and the devices', joined by a wire and by a slow one that
/// leads through a third namespace. They have no name and end with the process. Made before any thread; entering one is
/// for the calling thread and those it makes.
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

    /// Both ends of a second wire between the two networks, which the SlowWire carries: packets reach
    /// slow_gateway_address from slow_device_address as late as it is set to.
    [[nodiscard]] Result<std::unique_ptr<SlowWire>> make_slow_wire() const;
    [[nodiscard]] static IpAddress slow_gateway_address();
    [[nodiscard]] static IpAddress slow_device_address();

private:
    TwoNetworks(UniqueFd gateway, UniqueFd devices, UniqueFd between)
        : gateway_(std::move(gateway)), devices_(std::move(devices)), between_(std::move(between)) {}

    [[nodiscard]] std::string wire() const;
    [[nodiscard]] std::string lead_through_between() const;

    UniqueFd gateway_;
    UniqueFd devices_;
    UniqueFd between_;  ///< the network of the slow wire's two inner ends
};

}  // namespace holdfast
