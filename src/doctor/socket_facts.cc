#include "doctor/socket_facts.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

#include "base/unique_fd.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"
#include "text/hex.h"
#include "text/units.h"

namespace holdfast {

namespace {

namespace fs = std::filesystem;

constexpr unsigned state_established = 1;
constexpr unsigned state_listen = 10;
// Listening sockets have low numbers; the rest of the sample is spread evenly.
constexpr std::size_t first_descriptors = 64;
constexpr std::size_t spread_descriptors = 256;
constexpr int second_samples = 5;
constexpr std::chrono::milliseconds between_samples{300};

template <typename T>
bool read_hex(std::string_view text, T& out) {
    const auto value = parse_hex<T>(text);
    out = value.value_or(0);
    return value.has_value();
}

/// Parses "0100007F:1B58", or 32 digits: words in the machine's byte order, in hexadecimal.
std::optional<Endpoint> parse_hex_endpoint(std::string_view text) {
    const std::size_t colon = text.find(':');
    Endpoint out;
    if ((colon != 8 && colon != 32) || !read_hex(text.substr(colon + 1), out.port)) return std::nullopt;
    std::array<std::uint32_t, 4> words{0, 0, htonl(0xffff), 0};
    for (std::size_t i = 0; i < colon / 8; ++i) {
        if (!read_hex(text.substr(8 * i, 8), words[colon == 8 ? 3 : i])) return std::nullopt;
    }
    std::memcpy(out.address.bytes.data(), words.data(), sizeof words);
    return out;
}

void each_row(int pid, const std::function<void(const TcpRow&)>& take) {
    for (const char* const name : {"tcp", "tcp6"}) {
        std::ifstream in(fs::path("/proc") / std::to_string(pid) / "net" / name);
        for (std::string line; std::getline(in, line);) {
            if (const auto row = parse_tcp_row(line)) take(*row);
        }
    }
}

int get_int(int fd, int level, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    return ::getsockopt(fd, level, option, &value, &length) == 0 ? value : -1;
}

SocketOptions read_options(int fd, const tcp_info& info) {
    return {.keepalive = get_int(fd, SOL_SOCKET, SO_KEEPALIVE) == 1,
            .idle = std::chrono::seconds(get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE)),
            .interval = std::chrono::seconds(get_int(fd, IPPROTO_TCP, TCP_KEEPINTVL)),
            .count = get_int(fd, IPPROTO_TCP, TCP_KEEPCNT),
            .user_timeout = std::chrono::milliseconds(get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT)),
            .outstanding = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0};
}

/// Opens another process's descriptors, each for a moment only: longer would keep a socket alive that the process has
/// closed.
class OtherProcess {
public:
    explicit OtherProcess(int pid) : pid_(pid), fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}

    [[nodiscard]] UniqueFd open(int descriptor) const {
        return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_getfd, fd_.get(), descriptor, 0)));
    }

    /// Returns a sample: the lowest numbers, and an even spread of the rest.
    [[nodiscard]] std::vector<int> descriptors() const {
        std::vector<int> all;
        std::error_code error;
        for (fs::directory_iterator entry(fs::path("/proc") / std::to_string(pid_) / "fd", error), end; entry != end;
             entry.increment(error)) {
            if (error) break;
            all.push_back(std::atoi(entry->path().filename().c_str()));
        }
        std::sort(all.begin(), all.end());
        const std::size_t rest = all.size() - std::min(all.size(), first_descriptors);
        const std::size_t step = std::max<std::size_t>((rest + spread_descriptors - 1) / spread_descriptors, 1);
        std::vector<int> sample;
        for (std::size_t i = 0; i < all.size(); i += i < first_descriptors ? 1 : step) sample.push_back(all[i]);
        return sample;
    }

private:
    int pid_;
    UniqueFd fd_;
};

void add_socket(const UniqueFd& fd, int descriptor, const std::vector<DemandedListener>& listeners,
                SocketSample& sample) {
    if (!fd.valid() || get_int(fd.get(), SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP) return;
    tcp_info info{};
    socklen_t length = sizeof info;
    SocketAddress local;
    SocketAddress peer;
    if (::getsockopt(fd.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return;
    if (::getsockname(fd.get(), local.get(), &local.length) != 0) return;
    const Endpoint at = to_endpoint(local);
    if (listener_of(listeners, at.port) == nullptr) return;
    if (info.tcpi_state == state_listen) {
        sample.listening.push_back({at, info.tcpi_sacked});  // of a listener: its backlog (net/ipv4/tcp.c)
    } else if (info.tcpi_state == state_established && ::getpeername(fd.get(), peer.get(), &peer.length) == 0) {
        sample.connections.push_back({descriptor, at, to_endpoint(peer), read_options(fd.get(), info)});
    }
}

bool as_planned(const SocketSeen& seen, const std::vector<DemandedListener>& listeners) {
    const DemandedListener* listener = listener_of(listeners, seen.local.port);
    return listener == nullptr || differences(seen.options, listener->plan).empty();
}

/// Reads an unexpected socket again: as planned by now, gone, or unchanged.
void confirm_surprises(const OtherProcess& process, const std::vector<DemandedListener>& listeners, const Pause& pause,
                       SocketSample& sample) {
    for (int i = 0; i < second_samples; ++i) {
        const auto surprise = [&](const SocketSeen& one) { return !as_planned(one, listeners); };
        if (std::none_of(sample.connections.begin(), sample.connections.end(), surprise)) return;
        pause(between_samples);
        std::vector<SocketSeen> kept;
        for (const SocketSeen& before : sample.connections) {
            SocketSample now;
            if (surprise(before)) {
                add_socket(process.open(before.descriptor), before.descriptor, listeners, now);
                if (now.connections.empty() || now.connections.front().peer != before.peer) continue;
            }
            kept.push_back(now.connections.empty() ? before : now.connections.front());
        }
        sample.connections = std::move(kept);
    }
}

std::string obstacle_of(int error) {
    if (error == ENOSYS) return "this kernel has no pidfd_getfd (Linux 5.6)";
    if (error == EPERM || error == EACCES)
        return "opening the gateway's sockets is not permitted; run the doctor as root, or as the gateway's user where "
               "kernel.yama.ptrace_scope is 0";
    return std::string("opening the gateway's sockets fails (") + std::strerror(error) + ")";
}

void count_timers(int pid, const std::vector<DemandedListener>& listeners, SocketSample& sample) {
    each_row(pid, [&](const TcpRow& row) {
        if (row.state != state_established || listener_of(listeners, row.local.port) == nullptr) return;
        if (row.timer == 0 && row.send_queue == 0) {
            ++sample.timers_missing;
        } else {
            ++sample.timers_running;
        }
    });
}

}  // namespace

std::optional<TcpRow> parse_tcp_row(std::string_view line) {
    std::istringstream in{std::string(line)};
    std::string number;
    std::string local;
    std::string peer;
    std::string state;
    std::string queues;
    std::string timer;
    TcpRow row;
    if (!(in >> number >> local >> peer >> state >> queues >> timer)) return std::nullopt;
    const auto from = parse_hex_endpoint(local);
    const auto to = parse_hex_endpoint(peer);
    const bool rest = read_hex(state, row.state) && read_hex(queues.substr(0, queues.find(':')), row.send_queue) &&
                      read_hex(timer.substr(0, timer.find(':')), row.timer);
    if (!from || !to || !rest) return std::nullopt;
    row.local = *from;
    row.peer = *to;
    return row;
}

SocketSample sample_sockets(int pid, const std::vector<DemandedListener>& listeners, const Pause& pause) {
    SocketSample sample;
    const OtherProcess process(pid);
    // Every process has standard error, and permission is the same for all descriptors.
    errno = 0;
    const bool permitted = process.open(STDERR_FILENO).valid() || errno == EBADF;
    if (!permitted) {
        sample.obstacle = obstacle_of(errno);
        count_timers(pid, listeners, sample);
        return sample;
    }
    for (const int descriptor : process.descriptors())
        add_socket(process.open(descriptor), descriptor, listeners, sample);
    confirm_surprises(process, listeners, pause, sample);
    return sample;
}

std::vector<Endpoint> listening_on(int pid, std::uint16_t port) {
    std::vector<Endpoint> out;
    each_row(pid, [&](const TcpRow& row) {
        if (row.state == state_listen && row.local.port == port) out.push_back(row.local);
    });
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

bool is_process_of_age(int pid, double uptime_s) {
    std::ifstream in(fs::path("/proc") / std::to_string(pid) / "stat");
    std::string line;
    std::getline(in, line);
    const std::size_t name_ends = line.rfind(')');
    if (name_ends == std::string::npos) return false;
    std::istringstream fields(line.substr(name_ends + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field) fields >> skipped;
    double started_ticks = 0;
    timespec now{};
    timespec awake{};
    if (!(fields >> started_ticks) || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return false;
    ::clock_gettime(CLOCK_MONOTONIC, &awake);
    const auto seconds = [](const timespec& time) {
        return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
    };
    const double age = seconds(now) - started_ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    // The gateway's clock stops while the machine sleeps.
    const double slept = seconds(now) - seconds(awake);
    constexpr double start_takes_s = 15;
    return age - uptime_s > -2 && age - uptime_s < slept + start_takes_s;
}

std::optional<bool> shares_network_with(int pid) {
    std::error_code error;
    const fs::path theirs = fs::read_symlink(fs::path("/proc") / std::to_string(pid) / "ns/net", error);
    if (error) return std::nullopt;
    const fs::path ours = fs::read_symlink("/proc/self/ns/net", error);
    if (error) return std::nullopt;
    return ours == theirs;
}

void try_plans(std::vector<DemandedListener>& listeners) {
    for (DemandedListener& listener : listeners) {
        const auto proved = prove_inheritance(listener.plan);
        listener.plan_refused = proved ? "" : proved.error().message;
        if (proved) listener.plan.rto_max = proved.value().rto_max;
    }
}

namespace {

void add_difference(std::string& out, const char* name, const std::string& is, const std::string& planned) {
    if (is != planned) out += (out.empty() ? "" : ", ") + std::string(name) + " " + is + " (planned " + planned + ")";
}

}  // namespace

std::string differences(const SocketOptions& is, const LivenessPlan& plan) {
    std::string out;
    add_difference(out, "SO_KEEPALIVE", is.keepalive ? "on" : "off", "on");
    add_difference(out, "TCP_KEEPIDLE", format_duration(is.idle), format_duration(plan.idle));
    add_difference(out, "TCP_KEEPINTVL", format_duration(is.interval), format_duration(plan.interval));
    add_difference(out, "TCP_KEEPCNT", std::to_string(is.count), std::to_string(plan.count));
    // While bytes are outstanding, the sweep enforces its own limit and raises the kernel's.
    const auto timeout = is.outstanding ? std::min(is.user_timeout, plan.user_timeout) : is.user_timeout;
    add_difference(out, "TCP_USER_TIMEOUT", format_duration(timeout), format_duration(plan.user_timeout));
    return out;
}

const DemandedListener* listener_of(const std::vector<DemandedListener>& listeners, std::uint16_t port) {
    const auto found = std::find_if(listeners.begin(), listeners.end(),
                                    [&](const DemandedListener& one) { return one.address.port == port; });
    return found == listeners.end() ? nullptr : &*found;
}

}  // namespace holdfast
