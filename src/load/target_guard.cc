#include "load/target_guard.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace holdfast {

bool is_own_ground(const IpAddress& address) {
    constexpr std::array<std::string_view, 8> grounds{"127.0.0.0/8",    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                                      "169.254.0.0/16", "::1/128",    "fc00::/7",      "fe80::/10"};
    return std::any_of(grounds.begin(), grounds.end(),
                       [&](std::string_view ground) { return parse_prefix(ground).value().contains(address); });
}

Result<Endpoint> check_target(const Endpoint& target, bool any_target) {
    if (target.port == 0)
        return Error{"the target " + to_string(target) + " has no port: give the one the gateway listens on"};
    if (any_target || is_own_ground(target.address)) return target;
    return Error{to_string(target.address) +
                 " is neither a loopback nor a private address: if it is yours to load, add --allow-any-target"};
}

}  // namespace holdfast
