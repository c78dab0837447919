#include <algorithm>
#include <string>
#include <utility>

#include "doctor/diagnose.h"
#include "doctor/socket_facts.h"
#include "model/gateway_faults.h"
#include "net/address.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

/// Returns the addresses of the admin API: from the kernel if a gateway runs, else from the configuration.
std::vector<Endpoint> admin_addresses(const Examination& on) {
    std::vector<Endpoint> out;
    if (on.gateway != nullptr) out = on.gateway->admin_listens_on;
    if (on.demand.admin && std::find(out.begin(), out.end(), *on.demand.admin) == out.end()) {
        out.push_back(*on.demand.admin);
    }
    return out;
}

void check_admin(const Examination& on, Findings& out) {
    Finding finding{
        .id = "admin_address",
        .found = "off",
        .why =
            "Clients of the admin API can list, close and write to devices. On loopback a token is required only if "
            "one is configured. Other addresses always require a token and TLS.",
        .command = "ss -ltnp"};
    std::string list;
    for (const Endpoint& address : admin_addresses(on)) {
        list += (list.empty() ? "" : ", ") + to_string(address);
        if (is_loopback(address.address)) continue;
        finding.verdict = Verdict::warning;
        finding.command = "holdfast serve --admin 127.0.0.1:" + std::to_string(address.port) +
                          "   # or address in [admin]; from other hosts: ssh -L " + std::to_string(address.port) +
                          ":127.0.0.1:" + std::to_string(address.port) + " HOST";
    }
    if (!list.empty()) finding.found = list;
    if (finding.verdict == Verdict::warning)
        finding.why += " This address can be reached from other hosts; loopback and a tunnel are narrower.";
    out.push_back(std::move(finding));
}

void check_listener_addresses(const Examination& on, Findings& out) {
    std::string list;
    bool open = false;
    for (const DemandedListener& listener : on.demand.listeners) {
        list += (list.empty() ? "" : ", ") + printable(listener.name) + " " + to_string(listener.address);
        open = open || is_unspecified(listener.address.address);
    }
    out.push_back(
        {.id = "listeners",
         .verdict = Verdict::ok,
         .found = list.empty() ? "none" : list,
         .why = open ? "A wildcard address accepts connections on every interface of this host, as devices need. "
                       "A firewall limits their sources."
                     : "Only hosts that reach these addresses can connect.",
         .command = "ss -ltn"});
}

constexpr const char* why_live =
    "Detection depends on the options that each socket has. SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, "
    "TCP_KEEPCNT and TCP_USER_TIMEOUT were read from living connections.";

Finding classify_by_timers(const SocketSample& sample) {
    const std::uint64_t all = sample.timers_running + sample.timers_missing;
    Finding finding{.id = "live_sockets",
                    .found = all == 0 ? "no connection yet"
                                      : human_count(sample.timers_running) + " of " + human_count(all) +
                                            " connections have a running timer",
                    .why = "The options of living sockets could not be read: " + sample.obstacle +
                           ". /proc/net/tcp shows only whether a timer runs.",
                    .command = "sudo holdfast doctor"};
    finding.verdict = sample.timers_missing > 0 ? Verdict::wrong : Verdict::warning;
    if (sample.timers_missing > 0)
        finding.why += " A connection without a timer has keep-alive off and is never probed.";
    return finding;
}

Finding classify_sample(const GatewayFacts& gateway, const SocketSample& sample, const std::string& command) {
    Finding finding{.id = "live_sockets", .found = "", .why = why_live, .command = command};
    std::size_t differ = 0;
    std::string example;
    for (const SocketSeen& socket : sample.connections) {
        const DemandedListener* listener = listener_of(gateway.listeners, socket.local.port);
        if (listener == nullptr) continue;
        const std::string difference = differences(socket.options, listener->plan);
        if (difference.empty()) continue;
        if (differ++ == 0) example = to_string(socket.peer) + " has " + difference;
    }
    const std::string looked = human_count(sample.connections.size());
    finding.found = sample.connections.empty()
                        ? "no connection yet"
                        : looked + " of " +
                              human_count(std::max<std::uint64_t>(gateway.connections, sample.connections.size())) +
                              " checked: all as planned";
    if (differ > 0) {
        finding.verdict = Verdict::wrong;
        finding.found = human_count(differ) + " of " + looked + " checked differ from the plan";
        finding.why += " " + example + ", so the device is found late or never.";
    }
    return finding;
}

std::string example_text(const ReconciliationSeen& seen) {
    std::string out;
    for (const std::string& one : seen.examples) out += (out.empty() ? " E.g. " : ", ") + one;
    return out.empty() ? out : out + ".";
}

}  // namespace

void check_exposure(const Examination& on, Findings& out) {
    check_admin(on, out);
    check_listener_addresses(on, out);
}

void check_live_sockets(const Examination& on, Findings& out) {
    const GatewayFacts& gateway = *on.gateway;
    const std::string ports = gateway.listeners.empty() ? "" : std::to_string(gateway.listeners.front().address.port);
    const std::string command = "ss -tino 'sport = :" + ports + "'";
    if (!gateway.sockets) {
        out.push_back({.id = "live_sockets",
                       .verdict = Verdict::warning,
                       .found = "not checked",
                       .why = std::string(why_live) + " The gateway runs on another host; run the doctor there.",
                       .command = "holdfast doctor   # on the gateway's host"});
    } else if (!gateway.sockets->obstacle.empty()) {
        out.push_back(classify_by_timers(*gateway.sockets));
    } else {
        out.push_back(classify_sample(gateway, *gateway.sockets, command));
    }
}

void check_gateway_state(const Examination& on, Findings& out) {
    const GatewayFacts& gateway = *on.gateway;
    if (!gateway.same_network) {
        out.push_back({.id = "namespace",
                       .verdict = Verdict::warning,
                       .found = "the gateway runs in another network namespace",
                       .why = "The net.* settings above are those of this namespace, not of the gateway's connections.",
                       .command = "nsenter -t " + std::to_string(gateway.pid.value_or(0)) + " -n holdfast doctor"});
    }
    std::string paused;
    for (const std::string& name : gateway.accept_paused)
        paused += (paused.empty() ? "" : "; ") + accept_paused_text(name);
    out.push_back({.id = "accepting",
                   .verdict = !paused.empty()       ? Verdict::wrong
                              : gateway.refused > 0 ? Verdict::warning
                                                    : Verdict::ok,
                   .found = !paused.empty() ? paused : human_count(gateway.refused) + " refused by max_connections",
                   .why = "Accepting pauses when descriptors or memory run out, and devices then wait in the backlog. "
                          "Beyond max_connections, devices are refused.",
                   .command = "holdfast status"});
    out.push_back({.id = "sink",
                   .verdict = gateway.sink_error.empty() ? Verdict::ok : Verdict::wrong,
                   .found = gateway.sink_error.empty() ? "writes events" : sink_fault_text(gateway.sink_error),
                   .why = "A sink that cannot write pauses reading: devices wait, and no events are written.",
                   .command = "holdfast status"});
}

void check_reconciliation(const Examination& on, Findings& out) {
    Finding finding{.id = "reconciliation",
                    .found = "unknown to this gateway",
                    .why =
                        "The registry must equal the kernel's table of sockets. A connection without a socket is a "
                        "ghost, a descriptor without a connection an orphan, and a CLOSE_WAIT that stays is a leak.",
                    .command = "curl -X POST http://" + on.gateway->reached_at + "/v1/reconciliation"};
    const auto& seen = on.gateway->reconciliation;
    if (!seen) {
        finding.verdict = Verdict::warning;
    } else if (!seen->error.empty()) {
        finding.verdict = Verdict::warning;
        finding.found = "failed: " + printable(seen->error);
    } else {
        finding.found = "registry " + human_count(seen->registry) + ", kernel " + human_count(seen->kernel) + "; " +
                        human_count(seen->ghosts) + " ghosts, " + human_count(seen->orphans) + " orphans, " +
                        human_count(seen->stuck_close_wait) + " stuck in CLOSE_WAIT";
        if (seen->ghosts + seen->orphans + seen->stuck_close_wait > 0) {
            finding.verdict = Verdict::wrong;
            finding.why += example_text(*seen) +
                           " A difference is a defect of the gateway; report it with the log and restart the gateway.";
            finding.command = "systemctl restart holdfast";
        }
    }
    out.push_back(std::move(finding));
}

}  // namespace holdfast
