#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>

#include "doctor/facts.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using Number = std::optional<std::uint64_t>;

/// Reads the first bytes of a file; the files of /proc and /sys that are read here are short.
std::string read_text(const fs::path& file) {
    std::ifstream in(file);
    std::string text(std::size_t{1} << 16, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

Number to_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range) return no_limit;
    if (error != std::errc{} || rest == text.data()) return std::nullopt;
    return value;
}

Number read_number(const fs::path& file) { return to_number(read_text(file)); }

/// Returns the file's numbers, if there are exactly n.
template <std::size_t n>
std::optional<std::array<std::uint64_t, n>> read_numbers(const fs::path& file) {
    std::istringstream in(read_text(file));
    std::array<std::uint64_t, n> out{};
    for (std::uint64_t& number : out) {
        if (!(in >> number)) return std::nullopt;
    }
    return out;
}

/// Parses "Max open files            1024                 524288               files".
std::optional<DescriptorLimit> parse_limits(const std::string& text) {
    constexpr std::string_view title = "Max open files";
    const std::size_t at = text.find(title);
    if (at == std::string::npos) return std::nullopt;
    std::istringstream in(text.substr(at + title.size()));
    std::string soft;
    std::string hard;
    if (!(in >> soft >> hard)) return std::nullopt;
    const auto limit = [](const std::string& word) { return word == "unlimited" ? Number(no_limit) : to_number(word); };
    if (!limit(soft) || !limit(hard)) return std::nullopt;
    return DescriptorLimit{*limit(soft), *limit(hard)};
}

/// Returns the number behind `key` in "key   number kB".
Number number_behind(const std::string& text, std::string_view key) {
    const std::size_t at = text.find(key);
    if (at == std::string::npos) return std::nullopt;
    const std::size_t digit = text.find_first_of("0123456789", at + key.size());
    return digit == std::string::npos ? std::nullopt : to_number(std::string_view(text).substr(digit));
}

/// Parses "TCP: inuse 1 orphan 0 tw 3 alloc 1 mem 315".
Number pages_in_use(const std::string& sockstat) {
    const std::size_t line = sockstat.find("TCP: ");
    return line == std::string::npos ? std::nullopt : number_behind(sockstat.substr(line), " mem ");
}

std::optional<ConntrackFacts> read_conntrack(const fs::path& net) {
    const fs::path folder = net / "netfilter";
    ConntrackFacts facts{.established_s = read_number(folder / "nf_conntrack_tcp_timeout_established"),
                         .max = read_number(folder / "nf_conntrack_max"),
                         .count = read_number(folder / "nf_conntrack_count"),
                         .loose = read_number(folder / "nf_conntrack_tcp_loose")};
    if (!facts.established_s && !facts.max) return std::nullopt;
    return facts;
}

ClockFacts read_clock(const fs::path& root) {
    const fs::path folder = root / "sys/devices/system/clocksource/clocksource0";
    ClockFacts facts{.synchronised = {},
                     .source = read_text(folder / "current_clocksource"),
                     .available = read_text(folder / "available_clocksource")};
    timex asked{};
    if (::adjtimex(&asked) >= 0) facts.synchronised = (asked.status & STA_UNSYNC) == 0;
    return facts;
}

/// Place of a process in one hierarchy: its directory, and the root directory.
struct GroupPlace {
    fs::path root;
    std::string path;
};

/// Parses a line of /proc/PID/cgroup: "0::/system.slice/x" (v2) or "4:memory:/x" (v1).
std::optional<GroupPlace> place_of(const std::string& lines, const fs::path& sys, std::string_view controller) {
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
        const std::string path = line.substr(second + 1);
        if (names == ",,") {
            for (const fs::path& mount : {sys, sys / "unified"}) {
                std::error_code ignored;
                if (fs::exists(mount / "cgroup.controllers", ignored)) return GroupPlace{mount, path};
            }
        } else if (names.find("," + std::string(controller) + ",") != std::string::npos) {
            return GroupPlace{sys / controller, path};
        }
    }
    return std::nullopt;
}

struct GroupLimit {
    fs::path folder;
    fs::path file;
    std::uint64_t limit = no_limit;
};

/// Returns the tightest limit from the process's group up. A v1 memory limit beyond any machine counts as none.
std::optional<GroupLimit> tightest(const std::optional<GroupPlace>& place, std::initializer_list<const char*> files) {
    constexpr std::uint64_t beyond_any = std::uint64_t{1} << 60;
    std::optional<GroupLimit> min;
    if (!place) return min;
    for (fs::path path = fs::path(place->path).relative_path();; path = path.parent_path()) {
        for (const char* const name : files) {
            const fs::path folder = place->root / path;
            const auto limit = read_number(folder / name);
            if (limit && *limit < beyond_any && (!min || *limit < min->limit)) min = {folder, folder / name, *limit};
        }
        if (path.empty()) return min;
    }
}

CgroupFacts read_cgroup(const fs::path& process, const fs::path& sys) {
    const std::string lines = read_text(process / "cgroup");
    CgroupFacts facts;
    // The hierarchy of v1 first: if both are mounted, it has the controllers.
    const auto memory = place_of(lines, sys, "memory");
    if (memory) facts.path = memory->path;
    if (const auto limit = tightest(memory, {"memory.max", "memory.limit_in_bytes"})) {
        facts.memory_max = limit->limit;
        facts.memory_file = limit->file;
    }
    if (const auto limit = tightest(place_of(lines, sys, "pids"), {"pids.max"})) {
        facts.pids_max = limit->limit;
        facts.pids_file = limit->file;
        facts.pids_now = read_number(limit->folder / "pids.current");
    }
    return facts;
}

void read_network(const fs::path& sysctl, HostFacts& facts) {
    const fs::path core = sysctl / "net/core";
    const fs::path ipv4 = sysctl / "net/ipv4";
    facts.somaxconn = read_number(core / "somaxconn");
    facts.netdev_backlog = read_number(core / "netdev_max_backlog");
    facts.syn_backlog = read_number(ipv4 / "tcp_max_syn_backlog");
    facts.syncookies = read_number(ipv4 / "tcp_syncookies");
    facts.tcp_mem = read_numbers<3>(ipv4 / "tcp_mem");
    facts.tcp_rmem = read_numbers<3>(ipv4 / "tcp_rmem");
    facts.tcp_wmem = read_numbers<3>(ipv4 / "tcp_wmem");
    facts.mtu_probing = read_number(ipv4 / "tcp_mtu_probing");
    facts.invalid_ratelimit_ms = read_number(ipv4 / "tcp_invalid_ratelimit");
    facts.retries2 = read_number(ipv4 / "tcp_retries2");
    facts.port_range = read_numbers<2>(ipv4 / "ip_local_port_range");
    facts.reserved_ports = read_text(ipv4 / "ip_local_reserved_ports");
    facts.conntrack = read_conntrack(sysctl / "net");
}

}  // namespace

HostFacts read_host_facts(std::optional<int> pid, const fs::path& root) {
    const fs::path proc = root / "proc";
    const fs::path process = proc / (pid ? std::to_string(*pid) : "self");
    HostFacts facts;
    utsname name{};
    if (::uname(&name) == 0) facts.kernel = name.release;
    facts.page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (const auto kib = number_behind(read_text(proc / "meminfo"), "MemTotal:")) facts.memory_total = *kib * 1024;
    facts.descriptors = parse_limits(read_text(process / "limits"));
    facts.nr_open = read_number(proc / "sys/fs/nr_open");
    facts.file_max = read_number(proc / "sys/fs/file-max");
    facts.files_open = read_number(proc / "sys/fs/file-nr");
    facts.epoll_watches = read_number(proc / "sys/fs/epoll/max_user_watches");
    read_network(proc / "sys", facts);
    facts.tcp_pages = pages_in_use(read_text(proc / "net/sockstat"));
    facts.clock = read_clock(root);
    facts.cgroup = read_cgroup(process, root / "sys/fs/cgroup");
    return facts;
}

}  // namespace holdfast
