#include "net/address_kind.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace holdfast {

namespace {

bool is_within(const IpAddress& address, std::string_view prefix) {
    return parse_prefix(prefix).value().contains(address);
}

}  // namespace

bool is_loopback(const IpAddress& address) { return is_within(address, "127.0.0.0/8") || is_within(address, "::1"); }

bool is_unspecified(const IpAddress& address) { return is_within(address, "0.0.0.0") || is_within(address, "::"); }

bool is_private(const IpAddress& address) {
    constexpr std::array<std::string_view, 6> others{"10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16",
                                                     "169.254.0.0/16", "fc00::/7",      "fe80::/10"};
    return is_loopback(address) || std::any_of(others.begin(), others.end(),
                                               [&](std::string_view prefix) { return is_within(address, prefix); });
}

}  // namespace holdfast
