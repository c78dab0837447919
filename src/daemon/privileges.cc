#include "daemon/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <holdfast/endpoint.h>

#include "text/printable.h"

#include <cap-ng.h>

namespace holdfast {

namespace {

constexpr std::uint16_t first_free_port = 1024;

Error failed(std::string_view what, const std::string& user, std::string_view remedy) {
    const int error = errno;
    return Error{std::string(what) + " user " + in_quotes(user) + ": " + std::strerror(error) + "; " +
                 std::string(remedy)};
}

/// Changes user, group and capabilities. Bounds the capabilities first, so that no program that the process executes
/// can gain others. Sets errno if it fails.
bool change_ids(uid_t uid, gid_t gid, bool keeps_low_ports) {
    constexpr auto sets = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET);
    errno = EPERM;  // libcap-ng may set none
    // Without CAP_SETPCAP, capng_apply() reports success and leaves the bounding set as it is.
    if (::capng_get_caps_process() != 0 || ::capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP) == 0) return false;
    ::capng_clear(CAPNG_SELECT_ALL);
    if (keeps_low_ports && ::capng_update(CAPNG_ADD, sets, CAP_NET_BIND_SERVICE) != 0) return false;
    return ::capng_apply(CAPNG_SELECT_BOUNDS) == 0 &&
           ::capng_change_id(static_cast<int>(uid), static_cast<int>(gid), CAPNG_NO_FLAG) == 0;
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
        return Error{"unknown user " + in_quotes(user) + "; create it (systemd-sysusers), or name another with user"};
    }
    if (found->pw_uid == ::geteuid()) return std::nullopt;
    if (::geteuid() != 0) {
        return Error{"only root can become user " + in_quotes(user) + "; start the gateway as root, or as " + user};
    }
    const uid_t uid = found->pw_uid;
    const gid_t gid = found->pw_gid;
    if (::initgroups(user.c_str(), gid) != 0) return failed("cannot set the groups of", user, "correct /etc/group");
    constexpr std::string_view remedy = "give the gateway the capabilities SETUID, SETGID and SETPCAP";
    if (!change_ids(uid, gid, keeps_low_ports)) return failed("cannot become", user, remedy);
    if (::setresuid(0, 0, 0) == 0) return Error{"cannot drop root: the process could become root again"};
    return std::nullopt;
}

void keep_to_itself() {
    constexpr mode_t others = 07;
    ::umask(::umask(others) | others);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
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
