#include "daemon/notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "text/printable.h"

namespace holdfast {

namespace {

Error unusable(const std::string& socket, const std::string& why) {
    return Error{"NOTIFY_SOCKET " + path_in_quotes(socket) + ": " + why +
                 "; the service manager gets no notifications"};
}

constexpr std::string_view waiting_line = "X_HOLDFAST_WAITS=1";

/// Replaces line feeds, which would end the value of a variable.
std::string one_line(std::string_view text) {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

std::optional<std::uint64_t> number(const char* text) {
    if (text == nullptr) return std::nullopt;
    std::uint64_t value = 0;
    const char* end = text + std::strlen(text);
    const auto read = std::from_chars(text, end, value);
    return read.ec == std::errc() && read.ptr == end ? std::optional(value) : std::nullopt;
}

}  // namespace

Result<Notifier> Notifier::to(const std::string& socket) {
    Notifier notifier;
    if (socket.empty()) return notifier;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.front() != '/' && socket.front() != '@')
        return unusable(socket, "neither a path nor an abstract address");
    if (socket.size() >= sizeof address.sun_path) return unusable(socket, "longer than a socket address");
    std::memcpy(address.sun_path, socket.data(), socket.size());
    const bool abstract = socket.front() == '@';
    if (abstract) address.sun_path[0] = '\0';
    const std::size_t size = offsetof(sockaddr_un, sun_path) + socket.size() + (abstract ? 0 : 1);
    notifier.fd_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!notifier.fd_.valid() ||
        ::connect(notifier.fd_.get(), reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)) != 0) {
        return unusable(socket, std::strerror(errno));
    }
    return notifier;
}

Result<Notifier> Notifier::over(int socket) {
    Notifier notifier;
    notifier.fd_ = UniqueFd(::fcntl(socket, F_DUPFD_CLOEXEC, 0));
    if (notifier.fd_.valid()) return notifier;
    return Error{std::string("cannot notify the keeper: ") + std::strerror(errno) +
                 "; raise the descriptor limit (LimitNOFILE, ulimit -n)"};
}

bool Notifier::send(const std::string& message) const {
    return !enabled() || ::send(fd_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

bool Notifier::ready(std::string_view status) const { return send("READY=1\nSTATUS=" + one_line(status)); }

// A service manager ignores variables that it does not know (sd_notify(3)).
bool Notifier::waiting(std::string_view status) const {
    return send("READY=1\n" + std::string(waiting_line) + "\nSTATUS=" + one_line(status));
}

bool Notifier::waits(std::string_view message) { return message.starts_with("READY=1\n" + std::string(waiting_line)); }

bool Notifier::reloading(SteadyTime now) const {
    const auto since_boot = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
    return send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(since_boot.count()));
}

bool Notifier::stopping(std::chrono::milliseconds at_most, std::string_view status) const {
    const std::chrono::microseconds usec = at_most;
    return send("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(usec.count()) + "\nSTATUS=" + one_line(status));
}

bool Notifier::status(std::string_view text) const { return send("STATUS=" + one_line(text)); }
bool Notifier::alive() const { return send("WATCHDOG=1"); }

std::optional<std::chrono::microseconds> watchdog_timeout(const char* usec, const char* pid) {
    if (pid != nullptr && number(pid) != static_cast<std::uint64_t>(::getpid())) return std::nullopt;
    const auto timeout = number(usec);
    constexpr std::uint64_t max = 365ULL * 24 * 3'600 * 1'000'000;
    if (!timeout || *timeout == 0 || *timeout > max) return std::nullopt;
    return std::chrono::microseconds(static_cast<std::int64_t>(*timeout));
}

}  // namespace holdfast
