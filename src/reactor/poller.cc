#include "reactor/poller.h"

#include <cerrno>

#include "base/check.h"
#include "base/fork_guard.h"
#include "base/kernel.h"
#include "base/system_failure.h"

namespace holdfast {

namespace {

int control(int epoll, int operation, int fd, std::uint32_t events, Token token) noexcept {
    epoll_event event{};
    event.events = events;
    event.data.u64 = token;
    return kernel::epoll_ctl(epoll, operation, fd, &event) == 0 ? 0 : errno;
}

}  // namespace

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_.valid()) throw_errno("epoll_create1");
    close_in_child(epoll_.get());
}

int Poller::add(int fd, std::uint32_t events, Token token) noexcept {
    return control(epoll_.get(), EPOLL_CTL_ADD, fd, events, token);
}

int Poller::modify(int fd, std::uint32_t events, Token token) noexcept {
    return control(epoll_.get(), EPOLL_CTL_MOD, fd, events, token);
}

void Poller::remove(int fd) noexcept { control(epoll_.get(), EPOLL_CTL_DEL, fd, 0, 0); }

std::span<const epoll_event> Poller::wait(Timeout timeout) {
    const int wait_ms = timeout == Timeout::none ? 0 : -1;
    const int count = kernel::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), wait_ms);
    HOLDFAST_CHECK(count >= 0 || errno == EINTR);
    took_all_ = count >= 0 && static_cast<std::size_t>(count) < ready_.size();
    return std::span(ready_).first(count > 0 ? static_cast<std::size_t>(count) : 0);
}

}  // namespace holdfast
