#include "tcp/probe.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/kernel.h"

namespace holdfast {

void force_probe(int fd) noexcept { set_keepidle(fd, std::chrono::seconds(1)); }

void set_keepidle(int fd, std::chrono::seconds idle) noexcept {
    const int value = static_cast<int>(idle.count());
    kernel::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof value);
}

std::chrono::seconds keepidle_after_probe(const LivenessPlan& plan, std::chrono::milliseconds silence) noexcept {
    if (silence < plan.idle) return plan.idle;
    return plan.idle + ((silence - plan.idle) / plan.interval + 1) * plan.interval;
}

bool may_force_probe(const LivenessPlan& plan, std::chrono::milliseconds silence) noexcept {
    return silence + probe_ends_within < plan.user_timeout;
}

}  // namespace holdfast
