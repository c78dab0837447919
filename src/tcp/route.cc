#include "tcp/route.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace holdfast {
namespace {

constexpr std::size_t answer_bytes = 8 * 1024;  // an interface with its statistics takes about 1.5 KB
constexpr timeval timeout{.tv_sec = 0, .tv_usec = 100'000};

struct RouteRequest {
    nlmsghdr header;
    rtmsg what;
    rtattr destination;
    std::array<std::uint8_t, 16> address;
};

struct LinkRequest {
    nlmsghdr header;
    ifinfomsg what;
};

/// Calls `take` for each attribute of a message whose fixed part has `own_bytes`.
template <typename Take>
void each_attribute(const nlmsghdr* header, std::size_t own_bytes, Take take) {
    const auto* const body = static_cast<const char*>(NLMSG_DATA(header));
    const auto* attribute = reinterpret_cast<const rtattr*>(body + NLMSG_ALIGN(own_bytes));
    auto left = static_cast<unsigned>(header->nlmsg_len - NLMSG_SPACE(own_bytes));
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) take(*attribute);
}

int interface_of(const nlmsghdr* header) {
    int index = 0;
    each_attribute(header, sizeof(rtmsg), [&index](const rtattr& attribute) {
        if (attribute.rta_type == RTA_OIF) std::memcpy(&index, RTA_DATA(&attribute), sizeof index);
    });
    return index;
}

InterfaceState state_of(const nlmsghdr* header) {
    ifinfomsg info{};
    std::memcpy(&info, NLMSG_DATA(header), sizeof info);
    InterfaceState state;
    state.up = (info.ifi_flags & unsigned{IFF_UP}) != 0;
    constexpr unsigned lower_up = 1U << 16U;  // IFF_LOWER_UP of linux/if.h, which net/if.h lacks
    state.carrier = (info.ifi_flags & lower_up) != 0;
    each_attribute(header, sizeof(ifinfomsg), [&state](const rtattr& attribute) {
        if (attribute.rta_type != IFLA_IFNAME) return;
        state.name = std::string(static_cast<const char*>(RTA_DATA(&attribute)), RTA_PAYLOAD(&attribute));
        state.name.resize(std::strlen(state.name.c_str()));
    });
    return state;
}

UniqueFd open_netlink() {
    UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (netlink.valid()) ::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return netlink;
}

}  // namespace

/// Sends `request` and passes its answer to `take`. Returns the kernel's errno, or 0 after `take`.
template <typename Request, typename Take>
std::optional<int> RouteTable::query(Request& request, Take take) {
    if (!netlink_.valid()) netlink_ = open_netlink();
    if (!netlink_.valid()) return std::nullopt;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.header.nlmsg_seq = ++sequence_;
    if (::send(netlink_.get(), &request, request.header.nlmsg_len, 0) < 0) return std::nullopt;
    alignas(nlmsghdr) std::array<char, answer_bytes> answer;
    while (true) {
        const ssize_t got = ::recv(netlink_.get(), answer.data(), answer.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        const auto* const header = reinterpret_cast<const nlmsghdr*>(answer.data());
        if (!NLMSG_OK(header, static_cast<std::size_t>(got))) return std::nullopt;
        if (header->nlmsg_seq != sequence_) continue;  // a late answer to an earlier request
        if (header->nlmsg_type == NLMSG_ERROR) return -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
        take(header);
        return 0;
    }
}

std::optional<RouteAnswer> RouteTable::route_to(const IpAddress& address) {
    RouteRequest request{};
    const std::size_t skipped = address.is_v4() ? 12 : 0;
    const std::size_t length = address.bytes.size() - skipped;
    request.header.nlmsg_type = RTM_GETROUTE;
    request.header.nlmsg_len = static_cast<std::uint32_t>(sizeof request - request.address.size() + length);
    request.what.rtm_family = address.is_v4() ? AF_INET : AF_INET6;
    request.what.rtm_dst_len = static_cast<std::uint8_t>(8 * length);
    request.destination.rta_type = RTA_DST;
    request.destination.rta_len = static_cast<unsigned short>(RTA_LENGTH(length));
    std::memcpy(request.address.data(), address.bytes.data() + skipped, length);
    RouteAnswer answer;
    const auto error = query(request, [&answer](const nlmsghdr* header) {
        rtmsg route{};
        std::memcpy(&route, NLMSG_DATA(header), sizeof route);
        answer.interface = interface_of(header);
        // IPv6 returns an unreachable route where IPv4 returns an error.
        if (route.rtm_type == RTN_UNREACHABLE || route.rtm_type == RTN_BLACKHOLE) answer.error = EHOSTUNREACH;
    });
    if (!error) return std::nullopt;
    if (*error != 0) answer.error = *error;
    return answer;
}

std::optional<InterfaceState> RouteTable::interface(int index) {
    LinkRequest request{};
    request.header.nlmsg_type = RTM_GETLINK;
    request.header.nlmsg_len = sizeof request;
    request.what.ifi_family = AF_UNSPEC;
    request.what.ifi_index = index;
    InterfaceState state;
    const auto error = query(request, [&state](const nlmsghdr* header) { state = state_of(header); });
    if (!error || *error != 0) return std::nullopt;
    return state;
}

}  // namespace holdfast
