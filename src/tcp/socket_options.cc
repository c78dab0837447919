#include "tcp/socket_options.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/fork_guard.h"
#include "base/kernel.h"
#include "base/plant.h"
#include "tcp/sockaddr.h"

namespace holdfast {
namespace {

#ifndef TCP_RTO_MAX_MS
constexpr int TCP_RTO_MAX_MS = 44;  // linux/tcp.h since 6.15
#endif
constexpr std::chrono::seconds default_rto_max{120};  // Linux, TCP_RTO_MAX

struct SocketOption {
    const char* name;
    int level;
    int option;
    int value;
    bool may_lack = false;  // older kernels lack it
};

int to_milliseconds(std::chrono::milliseconds duration) { return static_cast<int>(duration.count()); }

std::array<SocketOption, 8> options_of(const LivenessPlan& plan) {
    return {{
        {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, planted("no_keepalive") ? 0 : 1},
        {"TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(plan.idle.count())},
        {"TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(plan.interval.count())},
        {"TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, plan.count},
        {"TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, to_milliseconds(plan.user_timeout)},
        {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1},
        // Keeps an urgent byte in the stream: recv(2) would skip it, and an item would miss a byte.
        {"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1},
        {"TCP_RTO_MAX_MS", IPPROTO_TCP, TCP_RTO_MAX_MS, to_milliseconds(plan.rto_max), true},
    }};
}

std::string errno_text() { return std::strerror(errno); }

bool set_int(int fd, int level, int option, int value) {
    return kernel::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

std::optional<int> get_int(int fd, int level, int option) {
    int value = 0;
    socklen_t length = sizeof value;
    if (kernel::getsockopt(fd, level, option, &value, &length) != 0) return std::nullopt;
    return value;
}

/// Returns true if the kernel does not know the option.
bool is_lacking(const SocketOption& option) { return option.may_lack && errno == ENOPROTOOPT; }

/// Returns the error of a call that has just failed.
Error failed(const std::string& what, const std::string& remedy = "") {
    const ErrorCode code = code_of_errno(errno);
    return {what + ": " + errno_text() + remedy, code};
}

Error cannot_listen(const Endpoint& address) {
    std::string remedy;
    if (errno == EADDRINUSE) remedy = "; stop the program that has it (see `ss -ltnp`), or choose another address";
    if (errno == EADDRNOTAVAIL) remedy = "; choose an address of this machine (see `ip address`)";
    if (errno == EACCES) remedy = "; choose a port above 1023, or restart with CAP_NET_BIND_SERVICE";
    return failed("cannot listen on " + to_string(address), remedy);
}

Result<UniqueFd> stream_socket(const Endpoint& address) {
    UniqueFd fd(::socket(address.address.is_v4() ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return failed("cannot create a socket for " + to_string(address));
    close_in_child(fd.get());
    return fd;
}

std::optional<Error> bind_to(int fd, const Endpoint& address, bool reuse_port) {
    const SocketAddress name = to_socket_address(address);
    const bool dual = address.address == IpAddress{};
    if (!set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) || (reuse_port && !set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
        (!address.address.is_v4() && !set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, dual ? 0 : 1)) ||
        ::bind(fd, name.get(), name.length) != 0) {
        return cannot_listen(address);
    }
    return std::nullopt;
}

Result<UniqueFd> accept_from_itself(int listener) {
    const auto address = local_endpoint(listener);
    if (!address) return address.error();
    auto client = stream_socket(address.value());
    if (!client) return client;
    const SocketAddress name = to_socket_address(address.value());
    if (::connect(client.value().get(), name.get(), name.length) != 0 && errno != EINPROGRESS) {
        return failed("cannot connect to " + to_string(address.value()) + " to prove the socket options");
    }
    pollfd waiting{listener, POLLIN, 0};
    if (kernel::poll(&waiting, 1, 2'000) != 1)
        return Error{"loopback does not deliver connections; set the interface up (`ip link set lo up`)",
                     ErrorCode::system};
    UniqueFd accepted(kernel::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted.valid()) return failed("cannot accept a connection from this process to prove the socket options");
    return accepted;
}

}  // namespace

ErrorCode code_of_errno(int error) noexcept {
    switch (error) {
        case EADDRINUSE:
            return ErrorCode::address_in_use;
        case EADDRNOTAVAIL:
            return ErrorCode::address_unavailable;
        case EACCES:
        case EPERM:
            return ErrorCode::not_permitted;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
            return ErrorCode::out_of_resources;
        default:
            return ErrorCode::system;
    }
}

std::optional<Error> apply_plan(int fd, const LivenessPlan& plan) {
    for (const SocketOption& option : options_of(plan)) {
        if (!set_int(fd, option.level, option.option, option.value) && !is_lacking(option)) {
            return failed(std::string("the kernel refuses ") + option.name + " = " + std::to_string(option.value),
                          "; choose another detect_within");
        }
    }
    return std::nullopt;
}

bool change_plan(int fd, const LivenessPlan& plan, const PlanExceptions& exceptions) noexcept {
    const auto user_timeout = exceptions.user_timeout.value_or(plan.user_timeout);
    const auto rto_max = exceptions.rto_uncapped ? default_rto_max : plan.rto_max;
    const std::array<std::pair<int, int>, 5> options{{
        {TCP_USER_TIMEOUT, to_milliseconds(user_timeout)},
        {TCP_RTO_MAX_MS, to_milliseconds(rto_max)},
        {TCP_KEEPINTVL, static_cast<int>(plan.interval.count())},
        {TCP_KEEPCNT, plan.count},
        {TCP_KEEPIDLE, static_cast<int>(plan.idle.count())},
    }};
    bool same = true;
    for (const auto& [option, value] : options) {
        if (option == TCP_KEEPIDLE && exceptions.keep_idle) continue;
        if (option == TCP_RTO_MAX_MS && plan.rto_max == std::chrono::seconds(0)) continue;
        set_int(fd, IPPROTO_TCP, option, value);
        same = get_int(fd, IPPROTO_TCP, option) == value && same;
    }
    return same;
}

bool set_backlog(int fd, int backlog) noexcept { return ::listen(fd, backlog) == 0; }

Result<LivenessPlan> read_back_plan(int fd, const LivenessPlan& plan) {
    const auto idle = get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE);
    const auto interval = get_int(fd, IPPROTO_TCP, TCP_KEEPINTVL);
    const auto count = get_int(fd, IPPROTO_TCP, TCP_KEEPCNT);
    const auto user_timeout = get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
    if (!idle || !interval || !count || !user_timeout) return failed("cannot read the keep-alive options of a socket");
    LivenessPlan kernel = plan;
    kernel.idle = std::chrono::seconds(*idle);
    kernel.interval = std::chrono::seconds(*interval);
    kernel.count = *count;
    kernel.user_timeout = std::chrono::milliseconds(*user_timeout);
    const auto rto_max = get_int(fd, IPPROTO_TCP, TCP_RTO_MAX_MS);
    kernel.rto_max = std::chrono::seconds(rto_max.value_or(0) / 1'000);
    return kernel;
}

Result<LivenessPlan> prove_inheritance(const LivenessPlan& plan) {
    const auto listener = listen_on({.address = parse_endpoint("127.0.0.1:0").value(), .backlog = 1}, plan);
    if (!listener) return listener.error();
    const auto accepted = accept_from_itself(listener.value().get());
    if (!accepted) return accepted.error();
    for (const SocketOption& option : options_of(plan)) {
        const auto value = get_int(accepted.value().get(), option.level, option.option);
        if (!value && is_lacking(option)) continue;
        if (value != option.value) {
            return Error{std::string("an accepted socket has ") + option.name + " = " +
                             (value ? std::to_string(*value) : errno_text()) + " where " +
                             std::to_string(option.value) +
                             " was set on its listener; check this kernel with `holdfast plan`",
                         ErrorCode::system};
        }
    }
    return read_back_plan(accepted.value().get(), plan);
}

std::optional<Error> refuse_if_taken(const Endpoint& address) {
    if (address.port == 0) return std::nullopt;
    auto fd = stream_socket(address);
    if (!fd) return fd.error();
    return bind_to(fd.value().get(), address, false);
}

Result<UniqueFd> listen_on(const ListenOptions& options, const LivenessPlan& plan) {
    auto fd = stream_socket(options.address);
    if (!fd) return fd;
    if (auto error = bind_to(fd.value().get(), options.address, true)) return *error;
    if (auto error = apply_plan(fd.value().get(), plan)) return *error;
    if (::listen(fd.value().get(), options.backlog) != 0) return cannot_listen(options.address);
    return fd;
}

Result<UniqueFd> duplicate_listener(int descriptor) {
    const auto wrong = [descriptor](const std::string& what) {
        return Error{
            "descriptor " + std::to_string(descriptor) + " " + what + "; pass a listening TCP socket of IPv4 or IPv6",
            ErrorCode::invalid_config};
    };
    UniqueFd fd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!fd.valid() && errno == EBADF) return wrong("is not open");
    if (!fd.valid()) return failed("cannot duplicate descriptor " + std::to_string(descriptor));
    close_in_child(fd.get());
    const auto domain = get_int(fd.get(), SOL_SOCKET, SO_DOMAIN);
    if (!domain) return wrong("is no socket");
    if ((*domain != AF_INET && *domain != AF_INET6) || get_int(fd.get(), SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
        return wrong("is a socket of another protocol");
    if (get_int(fd.get(), SOL_SOCKET, SO_ACCEPTCONN) != 1) return wrong("does not listen");
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0) return failed("cannot set O_NONBLOCK");
    return fd;
}

Result<Endpoint> local_endpoint(int fd) {
    SocketAddress address;
    if (::getsockname(fd, address.get(), &address.length) != 0) return failed("cannot read a socket's own address");
    return to_endpoint(address);
}

void discard_on_close(int fd) noexcept {
    const linger discard{.l_onoff = 1, .l_linger = 0};
    kernel::setsockopt(fd, SOL_SOCKET, SO_LINGER, &discard, sizeof discard);
}

int take_error(int fd) noexcept { return get_int(fd, SOL_SOCKET, SO_ERROR).value_or(0); }

std::size_t unread_bytes(int fd) noexcept {
    int bytes = 0;
    return kernel::ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

bool has_user_timeout(int fd, milliseconds timeout) noexcept {
    return get_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == to_milliseconds(timeout);
}

bool has_keepidle(int fd, std::chrono::seconds idle) noexcept {
    return get_int(fd, IPPROTO_TCP, TCP_KEEPIDLE) == static_cast<int>(idle.count());
}

void set_user_timeout(int fd, std::chrono::milliseconds timeout) noexcept {
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, to_milliseconds(timeout));
}

void set_rto_max(int fd, std::chrono::seconds longest) noexcept {
    set_int(fd, IPPROTO_TCP, TCP_RTO_MAX_MS,
            to_milliseconds(longest == std::chrono::seconds(0) ? default_rto_max : longest));
}

void force_probe(int fd) noexcept { set_keepidle(fd, std::chrono::seconds(1)); }

void set_keepidle(int fd, std::chrono::seconds idle) noexcept {
    const int value = static_cast<int>(idle.count());
    kernel::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof value);
}

std::chrono::seconds keepidle_after_probe(const LivenessPlan& plan, std::chrono::milliseconds silence) noexcept {
    if (silence < plan.idle) return plan.idle;
    return plan.idle + ((silence - plan.idle) / plan.interval + 1) * plan.interval;
}

bool may_force_probe(const LivenessPlan& plan, std::chrono::milliseconds silence) noexcept {
    return silence + probe_ends_within < plan.user_timeout;
}

}  // namespace holdfast
