#include <linux/filter.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "load/fleet.h"
#include "load/pace.h"

namespace holdfast {

namespace {

constexpr std::chrono::milliseconds strike_retry{10};

bool strikes_later(Fault fault) {
    return fault == Fault::silence || fault == Fault::reset || fault == Fault::half_item;
}

/// Returns true if all sent data is acknowledged.
bool is_quiet(int fd) {
    int unacknowledged = 0;
    return ::ioctl(fd, SIOCOUTQ, &unacknowledged) == 0 && unacknowledged == 0;
}

}  // namespace

void LoadFleet::plan_strike(LoadDevice& device) {
    if (device.fault == Fault::none) return;
    if (!strikes_later(device.fault)) {  // the fault applies from the first byte
        if (device.connects == 1) ++counts_.struck[static_cast<std::size_t>(device.fault)];
        return;
    }
    later(device, draw_strike(options_.seed, number_of(device), device.connects, options_.fault_within),
          &LoadFleet::strike);
}

void LoadFleet::strike(LoadDevice& device) {
    if (quiet_ || device.state != LoadDevice::State::connected) return;
    const bool in_the_middle = !device.pending.empty();
    if (device.fault == Fault::silence && (in_the_middle || !silence(device)))
        return later(device, strike_retry, &LoadFleet::strike);
    if (device.fault == Fault::half_item) {
        if (in_the_middle) return later(device, strike_retry, &LoadFleet::strike);
        send_half(device);
    }
    ++counts_.struck[static_cast<std::size_t>(device.fault)];
    device.mute = true;
    if (device.fault == Fault::reset) {
        close_by_reset(device.fd);
        drop(device);
        if (options_.reconnect) {
            const double share = draw_share(options_.seed, DrawFor::backoff, number_of(device), device.connects);
            return come_back(device, backoff(0, share));
        }
    }
    forgive(device);
}

/// Attaches a socket filter that drops every segment before TCP, so that no acknowledgement is sent: for the peer the
/// device has vanished. Only after all data is acknowledged, since the kernel would retransmit the rest.
bool LoadFleet::silence(LoadDevice& device) {
    if (!is_quiet(device.fd.get())) return false;
    sock_filter take_nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{.len = 1, .filter = &take_nothing};
    if (::setsockopt(device.fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) return false;
    device.deaf = true;
    return true;
}

void LoadFleet::send_half(LoadDevice& device) {
    scratch_.clear();
    items_.append(scratch_, number_of(device), device.seq + 1);
    const ssize_t sent = put(device, std::string_view(scratch_).substr(0, scratch_.size() / 2));
    if (sent > 0) counts_.bytes_out += static_cast<std::uint64_t>(sent);
}

}  // namespace holdfast
