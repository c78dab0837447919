#include "daemon/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <holdfast/endpoint.h>

#include "text/printable.h"

namespace holdfast {

namespace {

constexpr std::uint16_t first_free_port = 1024;

Error failed(std::string_view what, const std::string& user, std::string_view remedy) {
    const int error = errno;
    return Error{std::string(what) + " user " + in_quotes(user) + ": " + std::strerror(error) + ": " +
                 std::string(remedy)};
}

/// Sets the effective, permitted and inheritable capabilities to exactly `wanted`.
bool set_capabilities(std::uint32_t wanted) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    data[0].effective = data[0].permitted = wanted;
    return ::syscall(SYS_capset, &header, data.data()) == 0;
}

/// Drops all other capabilities from the bounding set, so that no program it executes can gain them.
bool bound_capabilities(std::uint32_t wanted) {
    for (unsigned long each = 0; ::prctl(PR_CAPBSET_READ, each) >= 0; ++each) {
        const bool keeps = each < 32 && (wanted & (1U << each)) != 0;
        if (!keeps && ::prctl(PR_CAPBSET_DROP, each) != 0) return false;
    }
    return true;
}

bool is_low(const std::string& address) {
    const auto endpoint = parse_endpoint(address);
    return endpoint && endpoint.value().port != 0 && endpoint.value().port < first_free_port;
}

}  // namespace

std::optional<Error> become(const std::string& user, bool keeps_low_ports) {
    errno = 0;
    const passwd* found = ::getpwnam(user.c_str());
    if (found == nullptr) {
        return Error{"there is no user " + in_quotes(user) + ": make it (systemd-sysusers), or name another by user"};
    }
    if (found->pw_uid == ::geteuid()) return std::nullopt;
    if (::geteuid() != 0) {
        return Error{"only root can become user " + in_quotes(user) + ": start the gateway as root, or as " + user};
    }
    const uid_t uid = found->pw_uid;
    const gid_t gid = found->pw_gid;
    const std::uint32_t kept = keeps_low_ports ? 1U << CAP_NET_BIND_SERVICE : 0;
    if (::initgroups(user.c_str(), gid) != 0)
        return failed("the groups cannot be set of", user, "is /etc/group sound?");
    constexpr std::string_view remedy = "the gateway needs root's capabilities SETUID, SETGID and SETPCAP for that";
    const bool changed = ::prctl(PR_SET_KEEPCAPS, kept != 0 ? 1 : 0) == 0 && bound_capabilities(kept) &&
                         ::setresgid(gid, gid, gid) == 0 && ::setresuid(uid, uid, uid) == 0 && set_capabilities(kept);
    if (!changed) return failed("the process cannot become", user, remedy);
    if (::setresuid(0, 0, 0) == 0) return Error{"the process is still root: it must not go on"};
    return std::nullopt;
}

void keep_to_itself() {
    constexpr mode_t others = 07;
    ::umask(::umask(others) | others);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void keep_memory_secret() {
    const rlimit none{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

bool binds_low_ports(const DaemonConfig& config) {
    const auto& listeners = config.server.listeners;
    return is_low(config.admin.address) ||
           std::any_of(listeners.begin(), listeners.end(), [](const auto& each) { return is_low(each.address); });
}

}  // namespace holdfast
