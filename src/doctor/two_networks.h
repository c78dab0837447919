#pragma once

#include <memory>
#include <string>

#include <holdfast/endpoint.h>
#include <holdfast/result.h>

#include "base/unique_fd.h"
#include "doctor/slow_wire.h"

namespace holdfast {

/// Owns this process's network namespaces for the gateway and the devices, joined by a wire and by a slow one through a
/// third namespace. They have no names and end with the process. Created before any thread; entering one affects the
/// calling thread and the threads that it starts.
class TwoNetworks {
public:
    /// Creates them as root, or in a user namespace. The error says what is missing. Leaves the process in the
    /// gateway's network.
    [[nodiscard]] static Result<TwoNetworks> make();

    void enter_gateway() const;
    void enter_devices() const;

    [[nodiscard]] static IpAddress gateway_address();
    [[nodiscard]] static IpAddress device_address();
    /// Returns a further address on the devices' side; after lose_route() a router's ICMP answers for it.
    [[nodiscard]] static IpAddress far_address();
    [[nodiscard]] std::string lose_route() const;  ///< empty, or the failure

    /// Creates a second wire between the two networks, carried by the SlowWire: packets between slow_device_address and
    /// slow_gateway_address arrive with its delay.
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
    UniqueFd between_;  ///< the network of the slow wire's inner ends
};

}  // namespace holdfast
