// LD_PRELOAD: reading from one peer fails with an errno of choice, as a kernel short of memory or with a defect would.
//   HOLDFAST_FAULT_PEER   the peer's IPv4 address, e.g. 127.0.0.66; reads from all others are left alone
//   HOLDFAST_FAULT_ERRNO  the number of the errno
//   HOLDFAST_FAULT_AFTER  how many reads that brought bytes succeed first (each connection counts its own)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { max_descriptors = 65536 };
static unsigned char succeeded[max_descriptors];
static in_port_t port_of[max_descriptors];

static long number(const char* name) {
    const char* text = getenv(name);
    return text == NULL ? 0 : strtol(text, NULL, 10);
}

// Returns the peer's port, in network order, if the descriptor is a connection from the chosen peer; 0 otherwise.
static in_port_t chosen(int fd) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    const char* wanted = getenv("HOLDFAST_FAULT_PEER");
    const int before = errno;
    if (wanted == NULL || fd < 0 || fd >= max_descriptors) return 0;
    if (getpeername(fd, (struct sockaddr*)&peer, &size) != 0) {
        errno = before;
        return 0;
    }
    struct in_addr address;
    in_port_t port;
    if (peer.ss_family == AF_INET) {
        address = ((struct sockaddr_in*)&peer)->sin_addr;
        port = ((struct sockaddr_in*)&peer)->sin_port;
    } else if (peer.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6*)&peer)->sin6_addr)) {
        memcpy(&address, &((struct sockaddr_in6*)&peer)->sin6_addr.s6_addr[12], sizeof address);
        port = ((struct sockaddr_in6*)&peer)->sin6_port;
    } else {
        return 0;
    }
    return address.s_addr == inet_addr(wanted) ? port : 0;
}

// Returns whether this read must fail. A descriptor that now belongs to another connection restarts its count.
static int fails(int fd) {
    const in_port_t port = chosen(fd);
    if (port == 0) return 0;
    if (port_of[fd] != port) {
        port_of[fd] = port;
        succeeded[fd] = 0;
    }
    if (succeeded[fd] < number("HOLDFAST_FAULT_AFTER")) return 0;
    errno = (int)number("HOLDFAST_FAULT_ERRNO");
    return 1;
}

static ssize_t counted(int fd, ssize_t got) {
    if (got > 0 && chosen(fd) != 0 && succeeded[fd] < 255) ++succeeded[fd];
    return got;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t recv(int fd, void* buffer, size_t size, int flags) {
    return fails(fd) ? -1 : counted(fd, REAL(recv)(fd, buffer, size, flags));
}
ssize_t read(int fd, void* buffer, size_t size) {
    return fails(fd) ? -1 : counted(fd, REAL(read)(fd, buffer, size));
}
ssize_t readv(int fd, const struct iovec* parts, int count) {
    return fails(fd) ? -1 : counted(fd, REAL(readv)(fd, parts, count));
}
ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
    return fails(fd) ? -1 : counted(fd, REAL(recvmsg)(fd, message, flags));
}

// _FORTIFY_SOURCE replaces recv and read by these.
ssize_t __recv_chk(int fd, void* buffer, size_t size, size_t room, int flags) {
    (void)room;
    return recv(fd, buffer, size, flags);
}
ssize_t __read_chk(int fd, void* buffer, size_t size, size_t room) {
    (void)room;
    return read(fd, buffer, size);
}
