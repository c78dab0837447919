#include <algorithm>
#include <string>
#include <utility>

#include "doctor/diagnose.h"
#include "text/units.h"

namespace holdfast {
namespace {

// src/server/server.cc reserves as many for itself.
constexpr std::uint64_t reserved_descriptors = 128;
// docs/explanation/performance.md: an idle connection takes 3,779 bytes in the kernel and about 100 in the process.
constexpr std::uint64_t kernel_bytes_each = 3'779;
constexpr std::uint64_t bytes_each = kernel_bytes_each + 100;
constexpr std::uint64_t process_bytes = std::uint64_t{64}
                                        << 20;  // without connections; includes the buffers of all reactors
constexpr std::uint64_t process_threads = 16;   // besides the reactors
constexpr std::uint64_t few_descriptors = 4'096;
constexpr std::uint64_t descriptor_wish = 1'048'576;

std::string limit_text(std::uint64_t limit) { return limit == no_limit ? "unlimited" : human_count(limit); }

std::string connections_text(const Demand& demand) {
    return human_count(demand.max_connections) + " connections" + (demand.limit_is_set ? "" : " (no limit is set)");
}

std::uint64_t descriptors_needed(const Demand& demand) { return demand.max_connections + reserved_descriptors; }

std::string more_descriptors(const Examination& on, std::uint64_t wanted) {
    const std::string number = std::to_string(wanted);
    if (on.gateway != nullptr && on.gateway->pid) {
        return "prlimit --pid " + std::to_string(*on.gateway->pid) + " --nofile=" + number + ":" + number +
               "   # now; for good: LimitNOFILE=" + number + " in its systemd unit";
    }
    return "ulimit -n " + number + "   # before `holdfast serve`; under systemd: LimitNOFILE=" + number;
}

void check_process_limit(const Examination& on, Findings& out) {
    const auto limit = on.host.descriptors;
    if (!limit) return out.push_back(unseen("descriptors", "the process's limit of descriptors", "ulimit -Hn"));
    const bool runs = on.gateway != nullptr && on.gateway->pid;
    // A starting gateway raises the soft limit to the hard one.
    const std::uint64_t usable = runs ? limit->soft : limit->hard;
    const std::uint64_t needed = descriptors_needed(on.demand);
    Finding finding{.id = "descriptors",
                    .found = limit_text(limit->soft) + " soft, " + limit_text(limit->hard) + " hard, for " +
                             connections_text(on.demand),
                    .why = "A connection is a descriptor, and the gateway keeps " +
                           std::to_string(reserved_descriptors) + " for itself.",
                    .command = more_descriptors(on, std::max(needed, descriptor_wish))};
    if (on.demand.limit_is_set && usable < needed) {
        finding.verdict = Verdict::wrong;
        finding.why += " The limit is below max_connections, and accepting pauses there.";
        finding.command = more_descriptors(on, needed);
    } else if (!on.demand.limit_is_set && usable < few_descriptors) {
        finding.verdict = Verdict::warning;
        finding.why += " Such a low limit is the default of a login shell.";
    }
    out.push_back(std::move(finding));
}

void check_nr_open(const Examination& on, Findings& out) {
    if (!on.host.nr_open) return out.push_back(unseen("nr_open", "fs.nr_open", "sysctl fs.nr_open"));
    const std::uint64_t needed = descriptors_needed(on.demand);
    const bool too_few = *on.host.nr_open < needed;
    out.push_back({.id = "nr_open",
                   .verdict = too_few ? on.shortage() : Verdict::ok,
                   .found = human_count(*on.host.nr_open) + " for " + connections_text(on.demand),
                   .why = "fs.nr_open bounds the descriptors of one process, whatever its limit.",
                   .command = sysctl_command("fs.nr_open", std::to_string(std::max(needed, descriptor_wish)))});
}

void check_file_max(const Examination& on, Findings& out) {
    if (!on.host.file_max) return out.push_back(unseen("file_max", "fs.file-max", "sysctl fs.file-max"));
    const std::uint64_t needed = descriptors_needed(on.demand);
    const std::uint64_t others = on.host.files_open.value_or(0) -
                                 std::min(on.host.files_open.value_or(0), on.gateway ? on.gateway->connections : 0);
    const bool too_few = *on.host.file_max < needed + others;
    out.push_back({.id = "file_max",
                   .verdict = too_few ? on.shortage() : Verdict::ok,
                   .found = limit_text(*on.host.file_max) + " for the whole machine, " +
                            human_count(on.host.files_open.value_or(0)) + " open",
                   .why = "fs.file-max bounds the open files of all processes together. Beyond it, accept fails with "
                          "ENFILE and accepting pauses.",
                   .command = sysctl_command("fs.file-max", std::to_string(2 * (needed + others)))});
}

/// Formats the size of all connections' buffers with `each` bytes waiting in each.
std::string buffers_text(const Demand& demand, std::uint64_t each) {
    return human_bytes(each) + " each: " + human_bytes(each * demand.max_connections);
}

std::string why_tcp_mem(const Demand& demand, std::uint64_t min, std::uint64_t usual) {
    return "The buffers of all TCP sockets of the machine. At the limit the kernel drops "
           "segments, and living devices seem silent. An idle connection uses no buffer; " +
           human_count(demand.max_connections) + " with the least buffers, " + buffers_text(demand, min) +
           "; with the default ones, " + buffers_text(demand, usual) + ".";
}

Finding classify_tcp_mem(const Examination& on, const std::array<std::uint64_t, 3>& pages) {
    const HostFacts& host = on.host;
    const std::uint64_t pressure = pages[1] * host.page_size;
    const std::uint64_t limit = pages[2] * host.page_size;
    const std::uint64_t min = (*host.tcp_rmem)[0] + (*host.tcp_wmem)[0];
    const std::uint64_t usual = (*host.tcp_rmem)[1] + (*host.tcp_wmem)[1];
    const std::uint64_t needed = on.demand.max_connections * min;
    const std::uint64_t used = host.tcp_pages.value_or(0) * host.page_size;
    Finding finding{.id = "tcp_mem",
                    .found = "limit " + human_bytes(limit) + ", pressure from " + human_bytes(pressure) + ", in use " +
                             human_bytes(used),
                    .why = why_tcp_mem(on.demand, min, usual)};
    const auto wanted = std::max(2 * needed, limit) / host.page_size;
    finding.command =
        sysctl_command("net.ipv4.tcp_mem", "'" + std::to_string(wanted / 2) + " " + std::to_string(wanted * 3 / 4) +
                                               " " + std::to_string(wanted) + "'");
    if (used >= limit || (needed > limit && on.demand.limit_is_set)) {
        finding.verdict = Verdict::wrong;
    } else if (used >= pressure || needed > pressure) {
        finding.verdict = Verdict::warning;
    }
    if (host.memory_total && limit > *host.memory_total) {
        finding.verdict = std::max(finding.verdict, Verdict::warning);
        finding.why += " The limit is above the machine's memory of " + human_bytes(*host.memory_total) + ".";
    }
    return finding;
}

void check_memory_limit(const Examination& on, Findings& out) {
    const CgroupFacts& group = on.host.cgroup;
    const std::uint64_t needed = on.demand.max_connections * bytes_each + process_bytes;
    const std::string where = group.path.empty() ? "the control group of this process" : group.path;
    Finding finding{.id = "cgroup_memory",
                    .found = group.memory_max
                                 ? human_bytes(*group.memory_max) + " in " + where + ", needed " + human_bytes(needed)
                                 : "no limit in " + where,
                    .why =
                        "The limit of a group includes the kernel's memory of its sockets. Beyond it, accept fails or "
                        "the gateway is killed.",
                    .command = "systemctl show holdfast -p MemoryMax -p MemoryCurrent"};
    if (group.memory_max && *group.memory_max < needed) {
        finding.verdict = on.shortage();
        finding.command = "echo " + std::to_string(needed * 5 / 4) + " > " + group.memory_file +
                          "   # now; for good: MemoryMax= in the systemd unit, or the container's memory limit";
    }
    out.push_back(std::move(finding));
}

void check_pids_limit(const Examination& on, Findings& out) {
    const CgroupFacts& group = on.host.cgroup;
    const std::uint64_t threads = on.demand.reactors + process_threads;
    const bool runs = on.gateway != nullptr && on.gateway->pid;
    const std::uint64_t room =
        group.pids_max ? *group.pids_max - std::min(*group.pids_max, group.pids_now.value_or(0)) : no_limit;
    Finding finding{.id = "cgroup_pids",
                    .found = group.pids_max
                                 ? human_count(*group.pids_max) + ", in use " +
                                       human_count(group.pids_now.value_or(0)) + ", needed " + human_count(threads)
                                 : "no limit",
                    .why = "Reactors, the admin API and the sink are threads, and a group's pids limit counts threads.",
                    .command = "systemctl show holdfast -p TasksMax -p TasksCurrent"};
    // A running gateway has most of its threads already.
    if (room < (runs ? process_threads : threads)) {
        finding.verdict = Verdict::wrong;
        finding.command = "echo " + std::to_string(*group.pids_max + 2 * threads) + " > " + group.pids_file +
                          "   # now; for good: TasksMax= in the systemd unit";
    }
    out.push_back(std::move(finding));
}

}  // namespace

void check_descriptors(const Examination& on, Findings& out) {
    check_process_limit(on, out);
    check_nr_open(on, out);
    check_file_max(on, out);
}

void check_epoll_watches(const Examination& on, Findings& out) {
    constexpr const char* name = "fs.epoll.max_user_watches";
    if (!on.host.epoll_watches) return out.push_back(unseen("epoll_watches", name, std::string("sysctl ") + name));
    const std::uint64_t needed = descriptors_needed(on.demand);
    const bool too_few = *on.host.epoll_watches < needed;
    out.push_back(
        {.id = "epoll_watches",
         .verdict = too_few ? on.shortage() : Verdict::ok,
         .found = human_count(*on.host.epoll_watches) + " a user, for " + connections_text(on.demand),
         .why = "Each connection has an epoll watch, and the kernel bounds the watches of a user. Beyond that, a "
                "connection ends as out_of_memory.",
         .command = sysctl_command(name, std::to_string(std::max(2 * needed, descriptor_wish)))});
}

void check_memory(const Examination& on, Findings& out) {
    if (!on.host.memory_total) return out.push_back(unseen("memory", "the machine's memory", "free -h"));
    const std::uint64_t needed = on.demand.max_connections * bytes_each + process_bytes;
    const std::uint64_t total = *on.host.memory_total;
    Finding finding{.id = "memory",
                    .found = human_bytes(total) + "; " + connections_text(on.demand) + " take " + human_bytes(needed),
                    .why =
                        "An idle connection takes about 3.8 KB in the kernel and 100 bytes in the process "
                        "(docs/explanation/performance.md); buffers of data in flight come on top.",
                    .command = "free -h"};
    if (needed > total / 10 * 8) {
        finding.verdict = on.shortage();
        const std::uint64_t fit = (total / 10 * 8 - std::min(total / 10 * 8, process_bytes)) / bytes_each;
        finding.command = "holdfast serve --max-connections " + std::to_string(fit) + "   # or more memory";
    } else if (needed > total / 2) {
        finding.verdict = Verdict::warning;
        finding.why += " The sum is more than half of the machine.";
    }
    out.push_back(std::move(finding));
}

void check_tcp_mem(const Examination& on, Findings& out) {
    if (!on.host.tcp_mem || !on.host.tcp_rmem || !on.host.tcp_wmem) {
        return out.push_back(unseen("tcp_mem", "net.ipv4.tcp_mem", "sysctl net.ipv4.tcp_mem   # on the host"));
    }
    out.push_back(classify_tcp_mem(on, *on.host.tcp_mem));
}

void check_cgroup(const Examination& on, Findings& out) {
    check_memory_limit(on, out);
    check_pids_limit(on, out);
}

}  // namespace holdfast
