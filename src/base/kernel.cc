#include "base/kernel.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fork_guard.h"

namespace holdfast::kernel {

// Weak, so that a program may contain another definition as well, in any order of its libraries (docs/decisions/0030).
#define HOLDFAST_REPLACEABLE __attribute__((weak))

HOLDFAST_REPLACEABLE int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) noexcept {
    const int accepted = ::accept4(fd, peer, length, flags);
    close_in_child(accepted);
    return accepted;
}

HOLDFAST_REPLACEABLE ssize_t recv(int fd, void* into, std::size_t size, int flags) noexcept {
    return ::recv(fd, into, size, flags);
}

HOLDFAST_REPLACEABLE ssize_t send(int fd, const void* bytes, std::size_t size, int flags) noexcept {
    return ::send(fd, bytes, size, flags);
}

HOLDFAST_REPLACEABLE int shutdown(int fd, int how) noexcept { return ::shutdown(fd, how); }

HOLDFAST_REPLACEABLE int close(int fd) noexcept {
    forget_descriptor(fd);
    return ::close(fd);
}

HOLDFAST_REPLACEABLE int getsockopt(int fd, int level, int option, void* value, socklen_t* length) noexcept {
    return ::getsockopt(fd, level, option, value, length);
}

HOLDFAST_REPLACEABLE int getsockname(int fd, sockaddr* name, socklen_t* length) noexcept {
    return ::getsockname(fd, name, length);
}

HOLDFAST_REPLACEABLE int getpeername(int fd, sockaddr* peer, socklen_t* length) noexcept {
    return ::getpeername(fd, peer, length);
}

HOLDFAST_REPLACEABLE int setsockopt(int fd, int level, int option, const void* value, socklen_t length) noexcept {
    return ::setsockopt(fd, level, option, value, length);
}

HOLDFAST_REPLACEABLE int ioctl(int fd, unsigned long request, int* value) noexcept {
    return ::ioctl(fd, request, value);
}

HOLDFAST_REPLACEABLE int poll(pollfd* entries, nfds_t count, int timeout_ms) noexcept {
    return ::poll(entries, count, timeout_ms);
}

HOLDFAST_REPLACEABLE int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    return ::epoll_ctl(epoll, operation, fd, event);
}

HOLDFAST_REPLACEABLE int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout_ms) noexcept {
    return ::epoll_wait(epoll, events, max_events, timeout_ms);
}

HOLDFAST_REPLACEABLE int timerfd_settime(int fd, int flags, const itimerspec* time, itimerspec* before) noexcept {
    return ::timerfd_settime(fd, flags, time, before);
}

HOLDFAST_REPLACEABLE int clock_gettime(clockid_t clock, timespec* time) noexcept {
    return ::clock_gettime(clock, time);
}

}  // namespace holdfast::kernel
