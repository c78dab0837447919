#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <holdfast/endpoint.h>

#include "doctor/facts.h"

namespace holdfast {

/// A line of /proc/net/tcp or tcp6 (proc(5)).
struct TcpRow {
    Endpoint local;
    Endpoint peer;
    unsigned state = 0;  ///< TCP_ESTABLISHED is 1, TCP_LISTEN 10
    std::uint64_t send_queue = 0;
    unsigned timer = 0;  ///< 0: none; 1: retransmission; 2: another one (keep-alive); 4: window probe
};

/// Returns nullopt for the title line and malformed lines. Pure.
[[nodiscard]] std::optional<TcpRow> parse_tcp_row(std::string_view line);

/// Waits between two readings; empty in tests.
using Pause = std::function<void(std::chrono::milliseconds)>;

/// Reads a gateway's sockets: opens a sample of its descriptors (pidfd_getfd(2)), each for a moment, and reads their
/// options. Unexpected ones are read again for up to 1.5 s, since a probe or a reload may be under way. Without
/// permission, reports why and counts timers in /proc/net/tcp instead.
[[nodiscard]] SocketSample sample_sockets(int pid, const std::vector<DemandedListener>& listeners, const Pause& pause);

/// Returns the addresses with this port on which the process's network namespace listens.
[[nodiscard]] std::vector<Endpoint> listening_on(int pid, std::uint16_t port);

/// Returns whether process `pid` of this host is as old as a gateway with this uptime. A gateway starts up to some
/// seconds after its process, and a gateway on another host has a pid, too.
[[nodiscard]] bool is_process_of_age(int pid, double uptime_s);

/// Returns whether both share a network namespace, or nullopt if that is unknown.
[[nodiscard]] std::optional<bool> shares_network_with(int pid);

/// Tries each listener's plan on a connection of this process with itself, and records deviations of the kernel.
void try_plans(std::vector<DemandedListener>& listeners);

/// Returns how a socket differs from its plan, e.g. "TCP_KEEPIDLE 7200s (planned 10s)", or an empty text. Pure.
[[nodiscard]] std::string differences(const SocketOptions& is, const LivenessPlan& plan);

/// Returns the listener that accepts on `port`, or nullptr. Pure.
[[nodiscard]] const DemandedListener* listener_of(const std::vector<DemandedListener>& listeners, std::uint16_t port);

}  // namespace holdfast
