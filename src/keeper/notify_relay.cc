#include "keeper/notify_relay.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace holdfast {

namespace {

constexpr std::size_t max_message = 4'096;

Error no_relay(const char* what) {
    return Error{std::string("cannot start the keeper: ") + what + ": " + std::strerror(errno) +
                     "; raise the descriptor limit (LimitNOFILE, ulimit -n)",
                 ErrorCode::system};
}

}  // namespace

Result<NotifyRelay> NotifyRelay::open(Notifier manager) {
    NotifyRelay relay;
    relay.manager_ = std::move(manager);
    relay.socket_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!relay.socket_.valid()) return no_relay("socket");
    // The kernel chooses an abstract name, and marks each message with its sender (unix(7), SO_PASSCRED).
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const int on = 1;
    socklen_t length = sizeof name;
    const int fd = relay.socket_.get();
    if (::setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
        ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name.sun_family) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &length) != 0)
        return no_relay("bind");
    const std::size_t prefix = offsetof(sockaddr_un, sun_path) + 1;
    relay.address_ = "@" + std::string(name.sun_path + 1, length - prefix);
    return relay;
}

void NotifyRelay::receive(pid_t worker, SteadyTime now) {
    for (;;) {
        std::array<char, max_message> text;
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control;
        iovec part{.iov_base = text.data(), .iov_len = text.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t size = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
        if (size < 0) return;
        const cmsghdr* const header = CMSG_FIRSTHDR(&message);
        if (header == nullptr || header->cmsg_type != SCM_CREDENTIALS) continue;
        ucred sender{};
        std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
        if (sender.pid == worker) take(std::string(text.data(), static_cast<std::size_t>(size)), now);
    }
}

void NotifyRelay::take(const std::string& message, SteadyTime now) {
    turned_at_ = now;
    if (message == "WATCHDOG=1") return;  // the keeper sends its own
    ready_ = ready_ || message.starts_with("READY=1");
    static_cast<void>(manager_.forward(message));
}

}  // namespace holdfast
