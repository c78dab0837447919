#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "doctor/diagnose.h"
#include "text/printable.h"
#include "text/units.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t small_backlog = 128;
constexpr std::uint64_t usual_netdev_backlog = 1'000;
// docs/explanation/liveness.md, "Many connections at once": below it there is no time to probe ahead of the kernel.
constexpr milliseconds probes_ahead_from{9'000};
// src/tcp/socket_options.h: a device does not answer a probe that follows sooner.
constexpr std::uint64_t probe_spacing_ms = 500;
constexpr std::uint64_t usual_retries2 = 15;

std::uint64_t largest_backlog(const Demand& demand) {
    std::uint64_t max = 0;
    for (const DemandedListener& listener : demand.listeners) max = std::max(max, listener.backlog);
    return max;
}

/// Returns the smallest backlog that the kernel keeps for one of the gateway's listeners.
std::optional<std::uint64_t> live_backlog(const GatewayFacts* gateway) {
    if (gateway == nullptr || !gateway->sockets) return std::nullopt;
    std::optional<std::uint64_t> min;
    for (const ListeningSeen& one : gateway->sockets->listening) min = std::min(min.value_or(no_limit), one.backlog);
    return min;
}

void check_somaxconn(const Examination& on, Findings& out) {
    if (!on.host.somaxconn)
        return out.push_back(unseen("somaxconn", "net.core.somaxconn", "sysctl net.core.somaxconn"));
    const std::uint64_t wanted = largest_backlog(on.demand);
    const auto live = live_backlog(on.gateway);
    const std::uint64_t kept = std::min(*on.host.somaxconn, live.value_or(no_limit));
    Finding finding{
        .id = "somaxconn",
        .found = human_count(*on.host.somaxconn) + ", for a backlog of " + human_count(wanted),
        .why =
            "The kernel cuts each listener's backlog to net.core.somaxconn. A fleet that reconnects at once "
            "waits there. Beyond it, the kernel drops SYNs, and devices retry after 1, 3, 7 s.",
        .command = sysctl_command("net.core.somaxconn", std::to_string(wanted))};
    if (live && *live < wanted) {
        finding.found += "; the gateway's listeners have " + human_count(*live);
        finding.why += " A listener takes the value over at its start.";
        finding.command += " && systemctl restart holdfast";
    }
    if (kept < wanted) finding.verdict = kept < small_backlog ? Verdict::wrong : Verdict::warning;
    out.push_back(std::move(finding));
}

void check_syn_backlog(const Examination& on, Findings& out) {
    constexpr const char* name = "net.ipv4.tcp_max_syn_backlog";
    if (!on.host.syn_backlog) return out.push_back(unseen("syn_backlog", name, std::string("sysctl ") + name));
    const std::uint64_t wanted = largest_backlog(on.demand);
    const bool cookies = on.host.syncookies.value_or(0) != 0;
    out.push_back({.id = "syn_backlog",
                   .verdict = !cookies && *on.host.syn_backlog < wanted ? Verdict::warning : Verdict::ok,
                   .found = human_count(*on.host.syn_backlog) + ", SYN cookies " + (cookies ? "on" : "off"),
                   .why = "Maximum number of half-open connections. With SYN cookies on, the setting bounds "
                          "nothing. Without them, SYNs are dropped beyond three quarters of it.",
                   .command = cookies ? sysctl_command(name, std::to_string(wanted))
                                      : sysctl_command("net.ipv4.tcp_syncookies", "1")});
}

/// Returns true if no reactor probes ahead of the kernel, so that devices that fall silent together are probed
/// together.
bool probes_in_herds(const Demand& demand) {
    return std::any_of(demand.listeners.begin(), demand.listeners.end(),
                       [](const DemandedListener& one) { return one.plan.detect_within < probes_ahead_from; });
}

void check_netdev_backlog(const Examination& on, Findings& out) {
    constexpr const char* name = "net.core.netdev_max_backlog";
    if (!on.host.netdev_backlog) {
        return out.push_back(unseen("netdev_backlog", name, std::string("sysctl ") + name + "   # on the host"));
    }
    const std::uint64_t each = on.demand.max_connections / std::max<std::uint64_t>(on.demand.reactors, 1);
    const bool herds = probes_in_herds(on.demand) && each > *on.host.netdev_backlog;
    Finding finding{
        .id = "netdev_backlog",
        .verdict = herds || *on.host.netdev_backlog < usual_netdev_backlog ? Verdict::warning : Verdict::ok,
        .found = human_count(*on.host.netdev_backlog),
        .why =
            "Packets that a core queues before it drops, on loopback and between containers. Connections that fell "
            "silent together are probed together, and a lost probe looks like a silent device.",
        .command = sysctl_command(name, "10000")};
    if (herds) {
        finding.why += " Below detect_within = \"9s\" the gateway has no time to spread them, and up to " +
                       human_count(each) + " connections of a reactor may be probed at once.";
    }
    out.push_back(std::move(finding));
}

/// Returns the listener whose connections stay silent longest before the first probe: a firewall forgets those first.
const DemandedListener* quietest(const Demand& demand) {
    const auto max = std::max_element(demand.listeners.begin(), demand.listeners.end(),
                                      [](const auto& a, const auto& b) { return a.plan.idle < b.plan.idle; });
    return max == demand.listeners.end() ? nullptr : &*max;
}

void check_conntrack_timeout(const Examination& on, const ConntrackFacts& facts, Findings& out) {
    constexpr const char* name = "net.netfilter.nf_conntrack_tcp_timeout_established";
    const DemandedListener* listener = quietest(on.demand);
    if (listener == nullptr) return;
    if (!facts.established_s) return out.push_back(unseen("conntrack_timeout", name, std::string("sysctl ") + name));
    const seconds idle = listener->plan.idle;
    // The kernel's timers are up to an eighth late.
    const auto latest_probe = static_cast<std::uint64_t>((idle + idle / 8 + seconds(1)).count());
    const bool forgets = *facts.established_s <= latest_probe;
    const bool tracks = facts.count.value_or(1) > 0;
    Finding finding{
        .id = "conntrack_timeout",
        .verdict = !forgets ? Verdict::ok
                   : tracks ? Verdict::wrong
                            : Verdict::warning,
        .found = std::to_string(*facts.established_s) + " s; listener " + in_quotes(listener->name) + " probes after " +
                 format_duration(idle) + " of silence",
        .why =
            "The firewall of this host drops the state of a connection after this silence. If that precedes "
            "the first probe, the probe finds no entry, and behind NAT or strict rules the living device is cut off.",
        .command = sysctl_command(name, "86400")};
    if (forgets && !tracks) finding.why += " The table is empty at present, so probably nothing uses it.";
    out.push_back(std::move(finding));
}

void check_conntrack_table(const Examination& on, const ConntrackFacts& facts, Findings& out) {
    constexpr const char* name = "net.netfilter.nf_conntrack_max";
    if (!facts.max) return out.push_back(unseen("conntrack_table", name, std::string("sysctl ") + name));
    const std::uint64_t count = facts.count.value_or(0);
    const std::uint64_t needed = on.demand.max_connections + on.demand.max_connections / 4;
    const bool full = count >= *facts.max / 10 * 9;
    const bool small = *facts.max < needed;
    out.push_back(
        {.id = "conntrack_table",
         .verdict = full                 ? Verdict::wrong
                    : small && count > 0 ? on.shortage()
                    : small              ? Verdict::warning
                                         : Verdict::ok,
         .found = human_count(count) + " of " + human_count(*facts.max) + " entries, for " +
                  human_count(on.demand.max_connections) + " connections",
         .why = "If the firewall tracks connections, each has an entry, ended ones for a while, too. A full table "
                "drops new connections and removes living ones early.",
         .command = sysctl_command(name, std::to_string(std::max<std::uint64_t>(2 * needed, 262'144)))});
}

void check_conntrack_loose(const ConntrackFacts& facts, Findings& out) {
    constexpr const char* name = "net.netfilter.nf_conntrack_tcp_loose";
    const bool strict = facts.loose && *facts.loose == 0;
    out.push_back({.id = "conntrack_loose",
                   .verdict = strict ? Verdict::warning : Verdict::ok,
                   .found = !facts.loose ? "not known" : std::to_string(*facts.loose),
                   .why =
                       "At 0 a connection that the table lost (a flush, a failover, a full table) stays invalid, and "
                       "the usual rules drop its packets. At 1 its next packet restores the entry.",
                   .command = sysctl_command(name, "1")});
}

/// Returns whether `port` is in net.ipv4.ip_local_reserved_ports, e.g. "7000,8080-8090".
bool is_reserved(std::string_view ranges, std::uint16_t port) {
    while (!ranges.empty()) {
        const std::string_view range = ranges.substr(0, ranges.find(','));
        ranges.remove_prefix(std::min(range.size() + 1, ranges.size()));
        unsigned first = 0;
        const auto [rest, error] = std::from_chars(range.data(), range.data() + range.size(), first);
        if (error != std::errc{}) continue;
        unsigned last = first;
        if (rest != range.data() + range.size() && *rest == '-')
            std::from_chars(rest + 1, range.data() + range.size(), last);
        if (port >= first && port <= last) return true;
    }
    return false;
}

}  // namespace

void check_backlogs(const Examination& on, Findings& out) {
    check_somaxconn(on, out);
    check_syn_backlog(on, out);
    check_netdev_backlog(on, out);
}

void check_tcp_settings(const Examination& on, Findings& out) {
    const HostFacts& host = on.host;
    const auto text = [](std::optional<std::uint64_t> value) { return value ? std::to_string(*value) : "not known"; };
    out.push_back({.id = "mtu_probing",
                   .verdict = host.mtu_probing.value_or(0) == 0 ? Verdict::warning : Verdict::ok,
                   .found = text(host.mtu_probing),
                   .why = "At 0 a path that silently drops large packets (a black hole) stops all data to a "
                          "device. The connection ends as retransmit_expired although probes are answered. At 1 "
                          "the kernel tries smaller segments.",
                   .command = sysctl_command("net.ipv4.tcp_mtu_probing", "1")});
    out.push_back(
        {.id = "invalid_ratelimit",
         .verdict = host.invalid_ratelimit_ms.value_or(0) > probe_spacing_ms ? Verdict::warning : Verdict::ok,
         .found = text(host.invalid_ratelimit_ms) + " ms",
         .why =
             "A host answers at most one keep-alive probe of a connection in this time. The limit of this host applies "
             "to devices that probe the gateway, and to devices simulated here. The gateway probes again "
             "after 500 ms.",
         .command = sysctl_command("net.ipv4.tcp_invalid_ratelimit", "500")});
    out.push_back(
        {.id = "retries2",
         .verdict = host.retries2.value_or(usual_retries2) < usual_retries2 ? Verdict::warning : Verdict::ok,
         .found = text(host.retries2) + ", in force for window probes alone",
         .why = "Number of retransmissions of unacknowledged data. TCP_USER_TIMEOUT, which each connection of the "
                "gateway has, replaces it except for probes of a closed window. Below 15 an outage ends a slow reader "
                "early.",
         .command = sysctl_command("net.ipv4.tcp_retries2", std::to_string(usual_retries2))});
}

void check_ports(const Examination& on, Findings& out) {
    const auto range = on.host.port_range;
    if (!range)
        return out.push_back(
            unseen("port_range", "net.ipv4.ip_local_port_range", "sysctl net.ipv4.ip_local_port_range"));
    Finding finding{
        .id = "port_range",
        .found = std::to_string((*range)[0]) + " to " + std::to_string((*range)[1]),
        .why = "Ports of outgoing connections. Accepted connections use none, so the range bounds no devices.",
        .command = "sysctl net.ipv4.ip_local_port_range"};
    for (const DemandedListener& listener : on.demand.listeners) {
        const std::uint16_t port = listener.address.port;
        if (port < (*range)[0] || port > (*range)[1] || is_reserved(on.host.reserved_ports, port)) continue;
        finding.verdict = Verdict::warning;
        finding.found += "; listener " + in_quotes(listener.name) + " has port " + std::to_string(port);
        finding.why += " An outgoing connection can hold a port of a listener, and a start of the gateway then fails.";
        finding.command = sysctl_command("net.ipv4.ip_local_reserved_ports", std::to_string(port));
        break;
    }
    out.push_back(std::move(finding));
}

void check_conntrack(const Examination& on, Findings& out) {
    if (!on.host.conntrack) {
        return out.push_back({.id = "conntrack",
                              .verdict = Verdict::ok,
                              .found = "not loaded",
                              .why = "The firewall of this host tracks no connections. Another one on the path may: "
                                     "its timeout must be longer than detect_within / 3.",
                              .command = "sysctl net.netfilter"});
    }
    check_conntrack_timeout(on, *on.host.conntrack, out);
    check_conntrack_table(on, *on.host.conntrack, out);
    check_conntrack_loose(*on.host.conntrack, out);
}

}  // namespace holdfast
