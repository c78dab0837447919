#include <sys/socket.h>

#include <utility>

#include "load/fleet.h"
#include "tcp/sockaddr.h"

namespace holdfast {

namespace {

constexpr std::size_t most_acks_bytes = 64 * 1024;  // of a device that cannot write

}  // namespace

void LoadFleet::enter_in_book(const LoadDevice& device) {
    SocketAddress own;
    own.length = sizeof own.storage;
    if (::getsockname(device.fd.get(), own.get(), &own.length) == 0)
        book_->connected(number_of(device), to_endpoint(own));
}

void LoadFleet::strike_from_book(LoadDevice& device) {
    book_->disconnected(number_of(device));
    device.acks.clear();
    device.acks_owed = 0;
}

/// Each downlink is answered by an item that carries its number back.
void LoadFleet::take_downlink(LoadDevice& device, std::uint64_t number) {
    if (!book_->arrived(number, number_of(device), clock_.steady())) return;
    if (ending_ || device.mute || device.acks.size() >= most_acks_bytes) return;
    items_.append_ack(device.acks, number_of(device), number);
    ++device.acks_owed;
}

void LoadFleet::send_acks(LoadDevice& device) {
    const bool may_write = device.state == LoadDevice::State::connected && !device.mute && !ending_;
    if (!may_write || !device.pending.empty() || device.pending_items > 0) return;
    scratch_ = std::exchange(device.acks, {});
    device.pending_acks = std::exchange(device.acks_owed, 0U);
    hand_over(device);
}

}  // namespace holdfast
