#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <holdfast/endpoint.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Route to an address as the kernel knows it: the interface, or the errno that a send would return.
struct RouteAnswer {
    int interface = 0;
    int error = 0;  ///< ENETUNREACH, EHOSTUNREACH, ...; 0 if there is a route
};

/// State of an interface in the kernel.
struct InterfaceState {
    std::string name;
    bool up = false;       ///< administratively
    bool carrier = false;  ///< the link is up (IFF_LOWER_UP)
};

/// Queries the routing table and the interfaces of this network namespace (rtnetlink(7)). Owns a netlink socket; needs
/// no privilege. A query takes some microseconds. One thread.
class RouteTable {
public:
    /// Returns nullopt if the kernel does not answer (a sandbox without AF_NETLINK).
    [[nodiscard]] std::optional<RouteAnswer> route_to(const IpAddress& address);
    /// Returns nullopt if the interface does not exist, or the kernel does not answer.
    [[nodiscard]] std::optional<InterfaceState> interface(int index);

private:
    template <typename Request, typename Take>
    [[nodiscard]] std::optional<int> query(Request& request, Take take);

    UniqueFd netlink_;
    std::uint32_t sequence_ = 0;
};

}  // namespace holdfast
