#include "doctor/diagnose.h"

#include <algorithm>
#include <array>

#include "text/json_writer.h"

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
                   " is not visible to this process (a container's network namespace hides host-wide "
                   "settings), so the value is unknown; check it on the host",
            .command = std::move(command)};
}

std::string sysctl_command(std::string_view name, std::string_view value) {
    return "sysctl -w " + std::string(name) + "=" + std::string(value);
}

std::string_view to_string(Verdict verdict) noexcept {
    constexpr std::array<std::string_view, 3> words{"ok", "warning", "wrong"};
    return words[static_cast<std::size_t>(verdict)];
}

std::size_t count_of(const Findings& findings, Verdict verdict) noexcept {
    return static_cast<std::size_t>(
        std::count_if(findings.begin(), findings.end(), [&](const Finding& one) { return one.verdict == verdict; }));
}

std::string to_json(const Findings& findings) {
    JsonWriter json;
    json.begin_object().key("findings").begin_array();
    for (const Finding& one : findings) {
        json.begin_object().field("id", one.id).field("verdict", to_string(one.verdict));
        json.field("found", one.found).field("why", one.why).field("command", one.command).end_object();
    }
    json.end_array();
    json.field("wrong", count_of(findings, Verdict::wrong)).field("warnings", count_of(findings, Verdict::warning));
    return json.end_object().take();
}

}  // namespace holdfast
