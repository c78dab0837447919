#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <holdfast/endpoint.h>
#include <holdfast/liveness.h>

namespace holdfast {

// Input of the checks as plain values: read from the host by host_facts.h and socket_facts.h, made up in tests. Values
// that could not be read are nullopt.

inline constexpr std::uint64_t no_limit = std::numeric_limits<std::uint64_t>::max();

struct DescriptorLimit {
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
};

/// net.netfilter.*; present only if conntrack is loaded.
struct ConntrackFacts {
    std::optional<std::uint64_t> established_s;
    std::optional<std::uint64_t> max;
    std::optional<std::uint64_t> count;
    std::optional<std::uint64_t> loose;
};

struct ClockFacts {
    std::optional<bool> synchronised;
    std::string source;     ///< "tsc"
    std::string available;  ///< "tsc kvm-clock"
};

/// The tightest limit from the process's group up to the root; nullopt if none is set.
struct CgroupFacts {
    std::string path;
    std::optional<std::uint64_t> memory_max;
    std::string memory_file;
    std::optional<std::uint64_t> pids_max;
    std::optional<std::uint64_t> pids_now;
    std::string pids_file;
};

struct HostFacts {
    std::string kernel;  ///< "6.1.0-28-amd64"
    std::uint64_t page_size = 4096;
    std::optional<std::uint64_t> memory_total;

    std::optional<DescriptorLimit> descriptors;  ///< of the gateway if it runs here, otherwise of this process
    std::optional<std::uint64_t> nr_open;
    std::optional<std::uint64_t> file_max;
    std::optional<std::uint64_t> files_open;
    std::optional<std::uint64_t> epoll_watches;

    std::optional<std::uint64_t> somaxconn;
    std::optional<std::uint64_t> syn_backlog;
    std::optional<std::uint64_t> syncookies;
    std::optional<std::uint64_t> netdev_backlog;  ///< hidden in a network namespace of one's own

    std::optional<std::array<std::uint64_t, 3>> tcp_mem;  ///< in pages; hidden in a container's network namespace
    std::optional<std::uint64_t> tcp_pages;               ///< in use
    std::optional<std::array<std::uint64_t, 3>> tcp_rmem;
    std::optional<std::array<std::uint64_t, 3>> tcp_wmem;

    std::optional<std::uint64_t> mtu_probing;
    std::optional<std::uint64_t> invalid_ratelimit_ms;
    std::optional<std::uint64_t> retries2;
    std::optional<std::array<std::uint64_t, 2>> port_range;
    std::string reserved_ports;  ///< "7000,8080-8090"

    std::optional<ConntrackFacts> conntrack;  ///< nullopt: not loaded
    ClockFacts clock;
    CgroupFacts cgroup;
};

struct DemandedListener {
    std::string name;
    Endpoint address;
    LivenessPlan plan;
    std::uint64_t backlog = 4096;
    /// How an accepted socket differed from the plan when tried on this host; empty: it did not.
    std::string plan_refused;
};

/// Expected load of the host.
struct Demand {
    std::string source;  ///< where that is from, e.g. "gateway.toml"
    std::uint64_t max_connections = 0;
    bool limit_is_set = false;  ///< max_connections is configured; otherwise it follows from the descriptors
    std::uint64_t reactors = 1;
    std::optional<Endpoint> admin;  ///< nullopt: off
    std::vector<DemandedListener> listeners;
};

/// Options of a living socket that detection depends on.
struct SocketOptions {
    bool keepalive = false;
    std::chrono::seconds idle{};
    std::chrono::seconds interval{};
    int count = 0;
    std::chrono::milliseconds user_timeout{};
    /// Bytes are unacknowledged: the sweep may have raised user_timeout and enforces the limit itself.
    bool outstanding = false;

    friend bool operator==(const SocketOptions&, const SocketOptions&) = default;
};

struct SocketSeen {
    int descriptor = -1;
    Endpoint local;
    Endpoint peer;
    SocketOptions options;
};

struct ListeningSeen {
    Endpoint local;
    std::uint64_t backlog = 0;  ///< as the kernel keeps it, limited by net.core.somaxconn
};

/// Observations of a gateway's sockets.
struct SocketSample {
    std::vector<SocketSeen> connections;  ///< a sample; unexpected ones were read twice
    std::vector<ListeningSeen> listening;
    std::string obstacle;  ///< why no socket could be opened, with a remedy; empty if they could

    // From /proc/net/tcp, which every user may read: established connections of the listeners' ports.
    std::uint64_t timers_running = 0;  ///< with a timer of any kind
    std::uint64_t timers_missing = 0;  ///< idle without a timer: never probed
};

struct ReconciliationSeen {
    std::uint64_t registry = 0;
    std::uint64_t kernel = 0;
    std::uint64_t ghosts = 0;
    std::uint64_t orphans = 0;
    std::uint64_t stuck_close_wait = 0;
    std::vector<std::string> examples;
    std::string error;
};

/// A gateway that answers at its admin address.
struct GatewayFacts {
    std::string reached_at;
    std::optional<int> pid;  ///< nullopt: it runs on another host
    std::uint64_t connections = 0;
    std::uint64_t refused = 0;               ///< by max_connections
    std::vector<std::string> accept_paused;  ///< listeners
    std::string sink_error;
    bool same_network = true;                 ///< this process sees the same network settings
    std::vector<Endpoint> admin_listens_on;   ///< from the kernel
    std::vector<DemandedListener> listeners;  ///< with the plan that the gateway reports
    std::optional<SocketSample> sockets;
    std::optional<ReconciliationSeen> reconciliation;  ///< nullopt: the gateway has none yet
};

/// Reads the facts of the host that this process may see: /proc and /sys below `root` (tests use their own), uname(2),
/// adjtimex(2). Limits and groups are those of `pid` if given, otherwise of this process.
[[nodiscard]] HostFacts read_host_facts(std::optional<int> pid, const std::filesystem::path& root = "/");

}  // namespace holdfast
