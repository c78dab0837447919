#include "doctor/live_options.h"

#include <algorithm>

#include "base/units.h"

namespace holdfast {
namespace {

void add_difference(std::string& out, const char* name, const std::string& is, const std::string& planned) {
    if (is != planned) out += (out.empty() ? "" : ", ") + std::string(name) + " " + is + " (planned " + planned + ")";
}

}  // namespace

std::string differences(const SocketOptions& is, const LivenessPlan& plan) {
    std::string out;
    add_difference(out, "SO_KEEPALIVE", is.keepalive ? "on" : "off", "on");
    add_difference(out, "TCP_KEEPIDLE", format_duration(is.idle), format_duration(plan.idle));
    add_difference(out, "TCP_KEEPINTVL", format_duration(is.interval), format_duration(plan.interval));
    add_difference(out, "TCP_KEEPCNT", std::to_string(is.count), std::to_string(plan.count));
    // While bytes are outstanding, the sweep keeps a limit of its own and lifts the kernel's.
    const auto timeout = is.outstanding ? std::min(is.user_timeout, plan.user_timeout) : is.user_timeout;
    add_difference(out, "TCP_USER_TIMEOUT", format_duration(timeout), format_duration(plan.user_timeout));
    return out;
}

const DemandedListener* listener_of(const std::vector<DemandedListener>& listeners, std::uint16_t port) {
    const auto found = std::find_if(listeners.begin(), listeners.end(),
                                    [&](const DemandedListener& one) { return one.address.port == port; });
    return found == listeners.end() ? nullptr : &*found;
}

}  // namespace holdfast
