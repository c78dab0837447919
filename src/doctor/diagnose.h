#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/facts.h"

namespace holdfast {

enum class Verdict : std::uint8_t {
    ok,
    warning,  ///< worth fixing, or could not be checked
    wrong,    ///< breaks a promise
};

[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

/// Result of one check. A value; the texts are single lines for people.
struct Finding {
    std::string id;  ///< a stable word, e.g. "somaxconn"
    Verdict verdict = Verdict::ok;
    std::string found = {};    ///< the value
    std::string why = {};      ///< why it matters, and what follows from the value
    std::string command = {};  ///< fixes it, or shows it if all is well
};

using Findings = std::vector<Finding>;

[[nodiscard]] std::size_t count_of(const Findings& findings, Verdict verdict) noexcept;

/// Returns {"findings":[...],"wrong":n,"warnings":n}.
[[nodiscard]] std::string to_json(const Findings& findings);

/// Checks a host, and a running gateway on it, against the expected load. Every check returns its findings, good or
/// bad, in a fixed order. Pure.
[[nodiscard]] Findings diagnose(const HostFacts& host, const Demand& demand, const GatewayFacts* gateway);

/// Input of every check.
struct Examination {
    const HostFacts& host;
    const Demand& demand;
    const GatewayFacts* gateway;

    /// Returns the verdict on a shortage: wrong for a configured limit, a warning for one that follows from the
    /// descriptors.
    [[nodiscard]] Verdict shortage() const { return demand.limit_is_set ? Verdict::wrong : Verdict::warning; }
};

// Each check appends its findings. Pure.

// check_limits.cc
void check_descriptors(const Examination& on, Findings& out);
void check_epoll_watches(const Examination& on, Findings& out);
void check_memory(const Examination& on, Findings& out);
void check_tcp_mem(const Examination& on, Findings& out);
void check_cgroup(const Examination& on, Findings& out);

// check_network.cc
void check_backlogs(const Examination& on, Findings& out);
void check_tcp_settings(const Examination& on, Findings& out);
void check_ports(const Examination& on, Findings& out);
void check_conntrack(const Examination& on, Findings& out);

// check_machine.cc
void check_clock(const Examination& on, Findings& out);
void check_kernel(const Examination& on, Findings& out);
void check_plan(const Examination& on, Findings& out);
void check_safe_outage(const Examination& on, Findings& out);

// check_gateway.cc
void check_exposure(const Examination& on, Findings& out);
void check_live_sockets(const Examination& on, Findings& out);
void check_gateway_state(const Examination& on, Findings& out);
void check_reconciliation(const Examination& on, Findings& out);

/// Returns the finding for a setting that could not be read.
[[nodiscard]] Finding unseen(std::string id, std::string_view setting, std::string command);
/// Returns "sysctl -w NAME=VALUE".
[[nodiscard]] std::string sysctl_command(std::string_view name, std::string_view value);

}  // namespace holdfast
