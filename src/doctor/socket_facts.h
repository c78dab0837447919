#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
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

/// Nothing for the title and for what is no such line. Pure.
[[nodiscard]] std::optional<TcpRow> parse_tcp_row(std::string_view line);

/// Waits between two looks: a test does not.
using Pause = std::function<void(std::chrono::milliseconds)>;

/// Looks at a gateway's sockets: opens a sample of its descriptors (pidfd_getfd(2)), each for a moment, and reads their
/// options; those that are not as planned are looked at again for up to 1.5 s, as a probe or a reload may be under way.
/// Where that is not permitted, says why and counts timers in /proc/net/tcp instead.
[[nodiscard]] SocketLook look_at_sockets(int pid, const std::vector<DemandedListener>& listeners, const Pause& pause);

/// The addresses on which anybody in the process's network namespace listens with this port.
[[nodiscard]] std::vector<Endpoint> listening_on(int pid, std::uint16_t port);

/// Whether a process `pid` of this host has lived as long as a gateway that says so (it starts up to some seconds after
/// its process): a gateway on another host has a pid, too.
[[nodiscard]] bool is_process_of_age(int pid, double uptime_s);

/// Whether both have the same network namespace; nothing if that cannot be told.
[[nodiscard]] std::optional<bool> shares_network_with(int pid);

/// Tries each listener's plan on a connection of this process with itself, and notes what the kernel did not keep.
void try_plans(std::vector<DemandedListener>& listeners);

}  // namespace holdfast
