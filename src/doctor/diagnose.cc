#include "doctor/diagnose.h"

#include "doctor/checks.h"

namespace holdfast {

Findings diagnose(const HostFacts& host, const Demand& demand, const GatewayFacts* gateway) {
    const Examination on{host, demand, gateway};
    Findings out;
    for (const auto check : {check_descriptors, check_epoll_watches, check_memory, check_tcp_mem, check_cgroup,
                             check_backlogs, check_tcp_settings, check_ports, check_conntrack, check_clock,
                             check_kernel, check_plan, check_safe_outage, check_exposure}) {
        check(on, out);
    }
    if (gateway == nullptr) return out;
    for (const auto check : {check_live_sockets, check_gateway_state, check_reconciliation}) check(on, out);
    return out;
}

Finding unseen(std::string id, std::string_view setting, std::string command) {
    return {.id = std::move(id),
            .verdict = Verdict::warning,
            .found = "cannot be read here",
            .why = std::string(setting) +
                   " is not visible to this process (host-wide settings are hidden inside a container's network "
                   "namespace), so nobody has looked at it: look on the host itself",
            .command = std::move(command)};
}

std::string sysctl_command(std::string_view name, std::string_view value) {
    return "sysctl -w " + std::string(name) + "=" + std::string(value);
}

}  // namespace holdfast
