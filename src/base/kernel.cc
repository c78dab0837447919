#include "base/kernel.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace holdfast::kernel {

int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) noexcept {
    return ::accept4(fd, peer, length, flags);
}

ssize_t recv(int fd, void* into, std::size_t size, int flags) noexcept { return ::recv(fd, into, size, flags); }

ssize_t send(int fd, const void* bytes, std::size_t size, int flags) noexcept { return ::send(fd, bytes, size, flags); }

int shutdown(int fd, int how) noexcept { return ::shutdown(fd, how); }

int close(int fd) noexcept { return ::close(fd); }

int getsockopt(int fd, int level, int option, void* value, socklen_t* length) noexcept {
    return ::getsockopt(fd, level, option, value, length);
}

int setsockopt(int fd, int level, int option, const void* value, socklen_t length) noexcept {
    return ::setsockopt(fd, level, option, value, length);
}

int ioctl(int fd, unsigned long request, int* value) noexcept { return ::ioctl(fd, request, value); }

int poll(pollfd* entries, nfds_t count, int timeout_ms) noexcept { return ::poll(entries, count, timeout_ms); }

int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
    return ::epoll_ctl(epoll, operation, fd, event);
}

int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout_ms) noexcept {
    return ::epoll_wait(epoll, events, max_events, timeout_ms);
}

}  // namespace holdfast::kernel
