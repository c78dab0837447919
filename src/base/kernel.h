#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/types.h>

#include <cstddef>
#include <ctime>

/// The kernel calls of the data path: everything that a reactor does with a connection goes through here. Each function
/// is the system call of its name (section 2 of the manual), and marks what a child of fork(2) closes. Two other
/// definitions take its place in programs that contain them: simulation/kernel_calls.cc, and
/// testing/simulated_kernel.cc in the tests of conn.
namespace holdfast::kernel {

[[nodiscard]] int accept4(int fd, sockaddr* peer, socklen_t* length, int flags) noexcept;
[[nodiscard]] ssize_t recv(int fd, void* into, std::size_t size, int flags) noexcept;
[[nodiscard]] ssize_t send(int fd, const void* bytes, std::size_t size, int flags) noexcept;
[[nodiscard]] int shutdown(int fd, int how) noexcept;
int close(int fd) noexcept;
[[nodiscard]] int getsockopt(int fd, int level, int option, void* value, socklen_t* length) noexcept;
[[nodiscard]] int getsockname(int fd, sockaddr* name, socklen_t* length) noexcept;
[[nodiscard]] int getpeername(int fd, sockaddr* peer, socklen_t* length) noexcept;
int setsockopt(int fd, int level, int option, const void* value, socklen_t length) noexcept;
[[nodiscard]] int ioctl(int fd, unsigned long request, int* value) noexcept;
[[nodiscard]] int poll(pollfd* entries, nfds_t count, int timeout_ms) noexcept;
[[nodiscard]] int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept;
[[nodiscard]] int epoll_wait(int epoll, epoll_event* events, int max_events, int timeout_ms) noexcept;
[[nodiscard]] int timerfd_settime(int fd, int flags, const itimerspec* time, itimerspec* before) noexcept;
int clock_gettime(clockid_t clock, timespec* time) noexcept;

}  // namespace holdfast::kernel
