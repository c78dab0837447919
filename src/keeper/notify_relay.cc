#include "keeper/notify_relay.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace holdfast {

namespace {

constexpr std::size_t max_message = 4'096;

}  // namespace

// A socket with a name would take messages of other processes, and a flood of them could hide the worker's pings.
Result<NotifyRelay> NotifyRelay::open(Notifier manager) {
    std::array<int, 2> pair{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair.data()) != 0) {
        return Error{std::string("cannot start the keeper: socketpair: ") + std::strerror(errno) +
                         "; raise the descriptor limit (LimitNOFILE, ulimit -n)",
                     ErrorCode::system};
    }
    NotifyRelay relay;
    relay.manager_ = std::move(manager);
    relay.socket_ = UniqueFd(pair[0]);
    relay.of_worker_ = UniqueFd(pair[1]);
    return relay;
}

void NotifyRelay::begin() {
    while (next()) continue;
    ready_ = false;
    served_ = false;
    turned_at_.reset();
}

void NotifyRelay::receive(SteadyTime now) {
    while (const auto message = next()) take(*message, now);
}

std::optional<std::string> NotifyRelay::next() {
    std::array<char, max_message> text;
    const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), MSG_DONTWAIT);
    return size < 0 ? std::nullopt : std::optional(std::string(text.data(), static_cast<std::size_t>(size)));
}

void NotifyRelay::take(const std::string& message, SteadyTime now) {
    turned_at_ = now;
    if (message == "WATCHDOG=1") return;  // the keeper sends its own
    const bool says_ready = message.starts_with("READY=1");
    ready_ = ready_ || says_ready;
    served_ = served_ || (says_ready && !Notifier::waits(message));
    static_cast<void>(manager_.forward(message));
}

}  // namespace holdfast
