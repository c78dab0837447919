#include "doctor/two_networks.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/system_failure.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr int no_such_command = 127;

std::string errno_text() { return std::strerror(errno); }

bool write_file(const char* file, std::string_view text) {
    const UniqueFd fd(::open(file, O_WRONLY | O_CLOEXEC));
    return fd.valid() && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

Error not_allowed(const std::string& what) {
    return Error{
        "cannot make a network namespace: " + what +
        "; run `sudo holdfast doctor --prove`, or permit namespaces for this user (sysctl user.max_user_namespaces "
        "and user.max_net_namespaces above 0, kernel.unprivileged_userns_clone 1, "
        "kernel.apparmor_restrict_unprivileged_userns 0, as far as this host has them)"};
}

/// Enters a user namespace in which this user is root, with a network namespace.
std::optional<Error> become_root_of_namespace() {
    const std::string uid = "0 " + std::to_string(::getuid()) + " 1";
    const std::string gid = "0 " + std::to_string(::getgid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return not_allowed("unshare: " + errno_text());
    if (!write_file("/proc/self/uid_map", uid) || !write_file("/proc/self/setgroups", "deny") ||
        !write_file("/proc/self/gid_map", gid)) {
        return not_allowed("cannot map its users: " + errno_text());
    }
    return std::nullopt;
}

UniqueFd own_network() { return UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)); }

void enter(int network) {
    if (::setns(network, CLONE_NEWNET) != 0) throw_errno("setns");
}

/// Runs `ip` in the child with commands from standard input. Does not return.
[[noreturn]] void become_ip(int commands, int complaints, int inherited) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(commands, STDIN_FILENO);
    ::dup2(complaints, STDOUT_FILENO);
    ::dup2(complaints, STDERR_FILENO);
    ::fcntl(inherited, F_SETFD, 0);
    ::execlp("ip", "ip", "-batch", "-", nullptr);
    // Users' paths often lack Debian's directory for it.
    for (const char* const place : {"/usr/sbin/ip", "/usr/bin/ip", "/sbin/ip"})
        ::execl(place, "ip", "-batch", "-", nullptr);
    ::_exit(no_such_command);
}

std::string read_all(int fd) {
    std::string out;
    char piece[1'024];
    for (ssize_t n = 0; (n = ::read(fd, piece, sizeof piece)) > 0;) out.append(piece, static_cast<std::size_t>(n));
    return out;
}

struct Pipe {
    Pipe() {
        int ends[2] = {-1, -1};
        if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2");
        out = UniqueFd(ends[0]);
        in = UniqueFd(ends[1]);
    }
    UniqueFd out;
    UniqueFd in;
};

/// Runs `ip -batch` in the calling thread's network; `inherited` stays open for it. Returns an empty text, or the
/// failure.
std::string run_ip(const std::string& commands, int inherited) {
    Pipe asked;
    Pipe said;
    const ssize_t written = ::write(asked.in.get(), commands.data(), commands.size());
    if (written != static_cast<ssize_t>(commands.size())) return "a pipe to `ip` cannot be written: " + errno_text();
    const pid_t child = ::fork();
    if (child < 0) return "fork: " + errno_text();
    if (child == 0) {
        ::close(asked.in.get());
        become_ip(asked.out.get(), said.in.get(), inherited);
    }
    asked.in.reset();
    said.in.reset();
    const std::string complaint = read_all(said.out.get());
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    if (WIFEXITED(status) && WEXITSTATUS(status) == no_such_command)
        return "the command `ip` is missing; run apt-get install iproute2";
    return "`ip` cannot set up the namespaces: " + printable(complaint.substr(0, complaint.find('\n')));
}

}  // namespace

IpAddress TwoNetworks::gateway_address() { return parse_ip_address("10.77.0.1").value(); }
IpAddress TwoNetworks::device_address() { return parse_ip_address("10.77.0.2").value(); }
IpAddress TwoNetworks::far_address() { return parse_ip_address("10.77.1.2").value(); }
IpAddress TwoNetworks::slow_gateway_address() { return parse_ip_address("10.77.3.1").value(); }
IpAddress TwoNetworks::slow_device_address() { return parse_ip_address("10.77.3.2").value(); }

void TwoNetworks::enter_gateway() const { enter(gateway_.get()); }
void TwoNetworks::enter_devices() const { enter(devices_.get()); }

Result<TwoNetworks> TwoNetworks::make() {
    if (::unshare(CLONE_NEWNET) != 0) {
        if (errno != EPERM) return not_allowed("unshare: " + errno_text());
        if (auto error = become_root_of_namespace()) return *error;
    }
    UniqueFd devices = own_network();
    if (!devices.valid() || ::unshare(CLONE_NEWNET) != 0) return not_allowed("unshare: " + errno_text());
    UniqueFd gateway = own_network();
    if (!gateway.valid() || ::unshare(CLONE_NEWNET) != 0) return not_allowed("unshare: " + errno_text());
    UniqueFd between = own_network();
    if (!between.valid()) return not_allowed("/proc/thread-self/ns/net: " + errno_text());
    TwoNetworks made(std::move(gateway), std::move(devices), std::move(between));
    made.enter_gateway();
    const std::string trouble = made.wire();
    if (!trouble.empty()) return Error{trouble};
    return made;
}

std::string TwoNetworks::wire() const {
    const std::string over_there = "/proc/self/fd/" + std::to_string(devices_.get());
    std::string trouble =
        run_ip("link set lo up\nlink add wire type veth peer name wire netns " + over_there +
                   "\naddr add 10.77.0.1/24 dev wire\nlink set wire up\nroute add 10.77.1.0/24 via 10.77.0.2\n",
               devices_.get());
    if (!trouble.empty()) return trouble;
    enter_devices();
    trouble = run_ip(
        "link set lo up\naddr add 10.77.0.2/24 dev wire\nlink set wire up\naddr add 10.77.1.2/32 dev wire\n"
        "route add unreachable 10.77.1.0/24\n",
        devices_.get());
    // A router that answers every packet.
    if (trouble.empty() &&
        (!write_file("/proc/sys/net/ipv4/ip_forward", "1") || !write_file("/proc/sys/net/ipv4/icmp_ratelimit", "0"))) {
        trouble = "cannot set net.ipv4.ip_forward inside the namespace: " + errno_text() + "; make /proc/sys writable";
    }
    enter_gateway();
    return trouble;
}

namespace {

// Each side has a static entry for the other's hardware address: its resolution would fail with a delay of seconds.
constexpr const char* gateway_mac = "02:00:00:00:77:01";
constexpr const char* device_mac = "02:00:00:00:77:02";

std::string end_of_slow_wire(const std::string& address, const std::string& mac, const std::string& inner,
                             int inner_network) {
    return "link add slow address " + mac + " type veth peer name " + inner + " netns /proc/self/fd/" +
           std::to_string(inner_network) + "\naddr add " + address + "/24 dev slow\nlink set slow up\n";
}

std::string neighbour(const IpAddress& address, const std::string& mac) {
    return "neigh add " + to_string(address) + " lladdr " + mac + " dev slow nud permanent\n";
}

}  // namespace

std::string TwoNetworks::lead_through_between() const {
    const int inner = between_.get();
    std::string trouble = run_ip(end_of_slow_wire(to_string(slow_gateway_address()), gateway_mac, "left", inner) +
                                     neighbour(slow_device_address(), device_mac),
                                 inner);
    if (trouble.empty()) trouble = compute_checksums("slow");
    enter_devices();
    if (trouble.empty()) {
        trouble = run_ip(end_of_slow_wire(to_string(slow_device_address()), device_mac, "right", inner) +
                             neighbour(slow_gateway_address(), gateway_mac),
                         inner);
    }
    if (trouble.empty()) trouble = compute_checksums("slow");
    enter(between_.get());
    return trouble.empty() ? run_ip("link set left up\nlink set right up\n", inner) : trouble;
}

Result<std::unique_ptr<SlowWire>> TwoNetworks::make_slow_wire() const {
    const std::string trouble = lead_through_between();
    auto left = SlowWire::open_end("left");  // in the network between, where lead_through_between() ends
    auto right = SlowWire::open_end("right");
    enter_gateway();
    if (!trouble.empty()) return Error{trouble};
    if (!left) return left.error();
    if (!right) return right.error();
    return SlowWire::start(std::move(left).value(), std::move(right).value());
}

std::string TwoNetworks::lose_route() const {
    enter_devices();
    std::string trouble = run_ip("addr del 10.77.1.2/32 dev wire\n", devices_.get());
    enter_gateway();
    return trouble;
}

}  // namespace holdfast
