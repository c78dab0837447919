#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "load/fleet.h"

namespace holdfast {

namespace {

// Between checks of received data and of new connects.
constexpr std::size_t writes_per_turn = 256;

}  // namespace

void LoadFleet::read(LoadDevice& device) {
    if (device.fault == Fault::stall) {  // a stalled device reads nothing, but notices the end
        int error = 0;
        socklen_t length = sizeof error;
        if (::getsockopt(device.fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0)
            ended_by_peer(device, error);
        return;
    }
    while (true) {
        const ssize_t arrived = get(device);
        if (arrived > 0) {
            counts_.bytes_in += static_cast<std::uint64_t>(arrived);
            if (book_ != nullptr || numbered()) take_words(device, static_cast<std::size_t>(arrived));
            continue;
        }
        if (arrived < 0 && errno == EINTR) continue;
        if (arrived < 0 && errno == EAGAIN) return device.acks.empty() ? void() : send_acks(device);
        return ended_by_peer(device, arrived == 0 ? 0 : errno);
    }
}

/// Gives every device its items to send once more.
void LoadFleet::owe_items() {
    items_released_ = true;
    if (options_.items == 0 || options_.items_per_second > 0) return report_if_sent();
    for (LoadDevice& device : devices_) {
        if (device.mute || (device.settled && device.state == LoadDevice::State::apart && !options_.reconnect))
            continue;
        if (!std::exchange(device.in_debt, true)) ++owing_;
        device.owed += options_.items;
        if (device.state == LoadDevice::State::connected) want_to_send(device);
    }
    report_if_sent();
}

void LoadFleet::want_to_send(LoadDevice& device) {
    if (!std::exchange(device.queued, true)) senders_.push_back(index_of(device));
}

/// Sends a batch of each owing device in turn. Returns true if more can be sent at once.
bool LoadFleet::send_more() {
    const std::size_t now = std::min(senders_.size(), writes_per_turn);
    for (std::size_t i = 0; i < now; ++i) {
        LoadDevice& device = devices_[senders_[i]];
        device.queued = false;
        if (device.state != LoadDevice::State::connected || device.mute || !device.pending.empty()) continue;
        const std::uint64_t items = sendable(device);
        if (items == 0) continue;
        device.owed -= items;
        send_batch(device, items);
        const bool still_here = device.state == LoadDevice::State::connected;
        if (still_here && device.owed > 0 && device.pending.empty()) want_to_send(device);
    }
    senders_.erase(senders_.begin(), senders_.begin() + static_cast<std::ptrdiff_t>(now));
    return !senders_.empty();
}

/// Sends what is due at the steady rate, a batch of each device in turn. Skips devices that cannot write.
void LoadFleet::send_paced() {
    if (quiet_ || devices_.empty() || (options_.hold && !items_released_)) return;
    const std::uint64_t due = item_pace_.due(reactor_.now());
    std::uint64_t made = 0;
    for (std::uint32_t looked = 0; made + options_.batch <= due && looked < part_.count; ++looked) {
        LoadDevice& device = devices_[turn_of_];
        turn_of_ = (turn_of_ + 1) % part_.count;
        if (device.state != LoadDevice::State::connected || device.mute || !device.pending.empty()) continue;
        if (numbered() && (!device.resumed || device.owed > 0)) continue;  // owed items come first
        send_batch(device, options_.batch);
        made += options_.batch;
        looked = made + options_.batch <= due ? 0 : looked;
    }
    item_pace_.take(made);
}

void LoadFleet::send_batch(LoadDevice& device, std::uint64_t items) {
    scratch_.clear();
    for (std::uint64_t i = 0; i < items; ++i) {
        if (!items_.append(scratch_, number_of(device), ++device.seq)) ++device.pending_bad;
    }
    device.pending_items = static_cast<std::uint32_t>(items);
    if (numbered()) {
        const std::uint64_t again = std::min(items, device.unacked.highest() - (device.seq - items));
        counts_.uplinks.repeated += again;
        counts_.uplinks.numbered += items - again;
        device.unacked.made(device.seq, clock_.steady());
    }
    hand_over(device);
}

/// Sends the content of `scratch_`.
void LoadFleet::hand_over(LoadDevice& device) {
    if (device.fault == Fault::slow) {
        device.pending = scratch_;
        return dribble(device);
    }
    const ssize_t sent = put(device, scratch_);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return read(device);  // recv reports the reason
    const auto taken = static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    counts_.bytes_out += taken;
    if (taken == scratch_.size()) return delivered(device);
    device.pending.assign(scratch_, taken);
}

/// Sends the rest of a batch that the kernel had no room for.
void LoadFleet::flush(LoadDevice& device) {
    if (device.fault == Fault::slow) return;  // dribble() sends it
    while (device.sent < device.pending.size()) {
        const ssize_t sent = put(device, std::string_view(device.pending).substr(device.sent));
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) return read(device);
        device.sent += static_cast<std::size_t>(sent);
        counts_.bytes_out += static_cast<std::uint64_t>(sent);
    }
    delivered(device);
}

void LoadFleet::delivered(LoadDevice& device) {
    counts_.items += device.pending_items;
    counts_.bad_items += device.pending_bad;
    counts_.downlinks.acks += device.pending_acks;
    const bool of_its_debt = device.pending_items > 0 && options_.items_per_second == 0;
    device.pending_items = device.pending_bad = device.pending_acks = 0;
    device.pending.clear();
    device.sent = 0;
    if (!device.acks.empty()) send_acks(device);
    if (device.owed > 0) return want_to_send(device);
    if (of_its_debt && !numbered()) settle_debt(device);
}

/// Sends a slow device's next byte.
void LoadFleet::dribble(LoadDevice& device) {
    if (device.state != LoadDevice::State::connected || device.pending.empty()) return;
    const ssize_t sent = put(device, std::string_view(device.pending).substr(device.sent, 1));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return read(device);
    if (sent == 1) {
        ++device.sent;
        ++counts_.bytes_out;
    }
    if (device.sent == device.pending.size()) return delivered(device);
    later(device, options_.slow_interval, &LoadFleet::dribble);
}

/// Counts the items that a device still owed as missing: it sends no more.
void LoadFleet::forgive(LoadDevice& device) {
    report_if_deserted();
    if (options_.items_per_second > 0) return;
    counts_.items_missing += std::exchange(device.owed, 0);
    settle_debt(device);
}

void LoadFleet::report_if_sent() {
    if (items_released_ && owing_ == 0 && settled_ == part_.count && !ending_) on_news_(News::sent);
}

void LoadFleet::report_if_deserted() {
    if (options_.reconnect || ending_ || desertion_told_) return;
    if (settled_ < part_.count || connecting_ > 0 || counts_.connected > 0) return;
    desertion_told_ = true;
    on_news_(News::deserted);
}

}  // namespace holdfast
