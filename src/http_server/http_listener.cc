#include "http_server/http_listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/fork_guard.h"
#include "tcp/sockaddr.h"
#include "tcp/socket_options.h"
#include "text/printable.h"

namespace holdfast {
namespace {

constexpr int backlog = 1024;
constexpr mode_t owner_only = 0600;

Error bind_error(std::string_view address) {
    const bool taken = errno == EADDRINUSE;
    const ErrorCode code = code_of_errno(errno);
    return Error{"cannot listen on the admin address " + std::string(address) + ": " + std::strerror(errno) +
                     (taken ? " by another process" : "") + "; choose another with --admin or [admin] address",
                 code};
}

Error socket_error(const std::string& path, std::string_view what, std::string_view remedy) {
    return Error{"the admin socket " + path_in_quotes(path) + " " + std::string(what) + "; " + std::string(remedy)};
}

Error failed(const std::string& path, std::string_view call) {
    return socket_error(path, "cannot be created (" + std::string(call) + "): " + std::strerror(errno),
                        "choose another with socket in [admin], or make its directory writable");
}

Result<UniqueFd> listen_on(std::string_view text, const Endpoint& endpoint) {
    const SocketAddress address = to_socket_address(endpoint);
    UniqueFd socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return bind_error(text);
    const int on = 1;
    // Not SO_REUSEPORT: two gateways on one admin address must not both start.
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
    if (::bind(socket.get(), address.get(), address.length) != 0) return bind_error(text);
    if (::listen(socket.get(), backlog) != 0) return bind_error(text);
    close_in_child(socket.get());
    return socket;
}

Endpoint name_of(int socket) {
    SocketAddress address;
    ::getsockname(socket, address.get(), &address.length);
    return to_endpoint(address);
}

const sockaddr* generic(const sockaddr_un& name) { return reinterpret_cast<const sockaddr*>(&name); }

/// Locks the directory while a socket in it is created or replaced. Without the lock, two gateways that start at once
/// could each remove the other's fresh socket as stale.
Result<UniqueFd> lock_directory(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() || ::flock(fd.get(), LOCK_EX) != 0) return failed(path, "open directory");
    return fd;
}

/// Removes a socket without a listening process. Any other file at the path is an error.
std::optional<Error> make_way(const std::string& path, const sockaddr_un& name) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) {
        if (errno == ENOENT) return std::nullopt;
        return failed(path, "lstat");
    }
    if (!S_ISSOCK(info.st_mode))
        return socket_error(path, "is a file of another kind", "remove it or choose another with socket in [admin]");
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.valid()) return failed(path, "socket");
    if (::connect(probe.get(), generic(name), sizeof name) == 0 || errno == EAGAIN)
        return socket_error(path, "is in use by a running gateway",
                            "stop it, or choose another with socket in [admin]");
    if (errno != ECONNREFUSED) return failed(path, "connect");
    if (::unlink(path.c_str()) != 0) return failed(path, "unlink");
    return std::nullopt;
}

}  // namespace

Result<HttpListener> HttpListener::open(std::string_view place, Use use) {
    auto opened = open_place(place);
    if (opened || use == Use::api) return opened;
    return Error{"health in [admin]: " + opened.error().message + ", or remove the option"};
}

Result<HttpListener> HttpListener::open_place(std::string_view place) {
    if (place.starts_with(unix_scheme)) return open_unix(std::string(place.substr(unix_scheme.size())));
    const auto endpoint = parse_endpoint(place);
    if (!endpoint) return Error{"the admin address is invalid: " + endpoint.error().message};
    auto socket = listen_on(place, endpoint.value());
    if (!socket) return socket.error();
    const Endpoint bound = name_of(socket.value().get());
    return HttpListener(std::move(socket).value(), bound);
}

Result<HttpListener> HttpListener::open_unix(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof name.sun_path || path.find('\0') != std::string::npos) {
        return socket_error(path, "has an invalid path",
                            "write 1 to " + std::to_string(sizeof name.sun_path - 1) + " bytes");
    }
    std::memcpy(name.sun_path, path.data(), path.size());
    const auto lock = lock_directory(path);
    if (!lock) return lock.error();
    if (auto error = make_way(path, name)) return std::move(*error);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    // fchmod(2) precedes bind(2), which takes the mode of the socket (unix(7)): the file never has other rights.
    if (!socket.valid() || ::fchmod(socket.get(), owner_only) != 0) return failed(path, "socket");
    if (::bind(socket.get(), generic(name), sizeof name) != 0) return failed(path, "bind");
    struct stat made {};
    if (::lstat(path.c_str(), &made) != 0) return failed(path, "lstat");
    HttpListener listener(std::move(socket), path, made.st_dev, made.st_ino);
    if ((made.st_mode & 0777U & ~owner_only) != 0)
        return socket_error(path, "would be open to others", "choose a directory on a file system with modes");
    if (::listen(listener.descriptor(), backlog) != 0) return failed(path, "listen");
    close_in_child(listener.descriptor());
    return listener;
}

HttpListener::HttpListener(HttpListener&& other) noexcept
    : socket_(std::move(other.socket_)),
      address_(other.address_),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

void HttpListener::close() {
    struct stat there {};
    const bool own = socket_.valid() && is_unix() && ::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ &&
                     there.st_ino == inode_;
    if (own) ::unlink(path_.c_str());
    socket_.reset();
}

}  // namespace holdfast
