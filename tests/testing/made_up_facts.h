#pragma once

#include "doctor/facts.h"

namespace holdfast {

/// Facts for tests: a host without findings for 100,000 connections, and the matching demand.
inline HostFacts sound_host() {
    HostFacts host;
    host.kernel = "6.1.0-28-amd64";
    host.memory_total = std::uint64_t{8} << 30;
    host.descriptors = DescriptorLimit{.soft = 1'024, .hard = 524'288};
    host.nr_open = 1'048'576;
    host.file_max = no_limit;
    host.files_open = 1'500;
    host.epoll_watches = 1'800'000;
    host.somaxconn = 4'096;
    host.syn_backlog = 512;
    host.syncookies = 1;
    host.netdev_backlog = 1'000;
    host.tcp_mem = {{190'000, 254'000, 380'000}};
    host.tcp_pages = 12;
    host.tcp_rmem = {{4'096, 131'072, 6'291'456}};
    host.tcp_wmem = {{4'096, 16'384, 4'194'304}};
    host.mtu_probing = 1;
    host.invalid_ratelimit_ms = 500;
    host.retries2 = 15;
    host.port_range = {{32'768, 60'999}};
    host.conntrack = ConntrackFacts{.established_s = 432'000, .max = 262'144, .count = 17, .loose = 1};
    host.clock = {.synchronised = true, .source = "tsc", .available = "tsc hpet acpi_pm"};
    host.cgroup = {.path = "/system.slice/holdfast.service",
                   .memory_max = std::uint64_t{4} << 30,
                   .memory_file = "/sys/fs/cgroup/system.slice/holdfast.service/memory.max",
                   .pids_max = 4'915,
                   .pids_now = 6,
                   .pids_file = "/sys/fs/cgroup/system.slice/holdfast.service/pids.max"};
    return host;
}

inline DemandedListener sound_listener() {
    return {.name = "devices",
            .address = parse_endpoint("0.0.0.0:7000").value(),
            .plan = plan_liveness(std::chrono::seconds(30)).value(),
            .plan_refused = {}};
}

inline Demand sound_demand() {
    return {.source = "gateway.toml",
            .max_connections = 100'000,
            .limit_is_set = true,
            .reactors = 4,
            .admin = parse_endpoint("127.0.0.1:7080").value(),
            .listeners = {sound_listener()}};
}

inline SocketOptions options_of(const LivenessPlan& plan) {
    return {.keepalive = true,
            .idle = plan.idle,
            .interval = plan.interval,
            .count = plan.count,
            .user_timeout = plan.user_timeout};
}

/// Returns a gateway that runs on this host with one connection, without findings.
inline GatewayFacts sound_gateway() {
    GatewayFacts gateway;
    gateway.reached_at = "127.0.0.1:7080";
    gateway.pid = 4711;
    gateway.connections = 1;
    gateway.listeners = {sound_listener()};
    gateway.admin_listens_on = {parse_endpoint("127.0.0.1:7080").value()};
    const Endpoint local = parse_endpoint("10.1.0.1:7000").value();
    gateway.sockets.emplace();
    gateway.sockets->connections = {
        {21, local, parse_endpoint("10.2.0.9:51514").value(), options_of(sound_listener().plan)}};
    gateway.sockets->listening = {{sound_listener().address, 4'096}};
    gateway.reconciliation.emplace();
    gateway.reconciliation->registry = gateway.reconciliation->kernel = 1;
    return gateway;
}

}  // namespace holdfast
