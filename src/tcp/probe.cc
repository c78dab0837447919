#include "tcp/probe.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace holdfast {

namespace {

void set_keepidle(int fd, int seconds) noexcept {
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
}

}  // namespace

void force_probe(int fd) noexcept { set_keepidle(fd, 1); }

void end_forced_probe(int fd, std::chrono::seconds planned_idle) noexcept {
    set_keepidle(fd, static_cast<int>(planned_idle.count()));
}

}  // namespace holdfast
