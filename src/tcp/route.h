#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <holdfast/endpoint.h>

#include "base/unique_fd.h"

namespace holdfast {

/// Way to an address as the kernel knows it: the interface, or the errno that a send would get.
struct RouteAnswer {
    int interface = 0;
    int error = 0;  ///< ENETUNREACH, EHOSTUNREACH, ...; 0 if there is a way
};

/// An interface as the kernel has it.
struct InterfaceState {
    std::string name;
    bool up = false;       ///< administratively
    bool carrier = false;  ///< its link works (IFF_LOWER_UP)
};

/// Questions to the kernel's routing table and interfaces in this network namespace (rtnetlink(7)). Owns a netlink
/// socket; needs no privilege. Each question takes some microseconds. One thread.
class RouteTable {
public:
    /// Returns nullopt if the kernel does not answer (a sandbox without AF_NETLINK).
    [[nodiscard]] std::optional<RouteAnswer> route_to(const IpAddress& address);
    /// Returns nullopt if there is no such interface, or the kernel does not answer.
    [[nodiscard]] std::optional<InterfaceState> interface(int index);

private:
    template <typename Request, typename Take>
    [[nodiscard]] std::optional<int> ask(Request& request, Take take);

    UniqueFd netlink_;
    std::uint32_t sequence_ = 0;
};

}  // namespace holdfast
