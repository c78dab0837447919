#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "codec/framing.h"
#include "load/fleet.h"
#include "tcp/sockaddr.h"
#include "text/json_writer.h"

namespace holdfast {

/// Sends the device's name and, with acks, its session: docs/reference/protocol.md.
void LoadFleet::say_hello(LoadDevice& device) {
    JsonWriter json;
    json.begin_object().key("hello").begin_object();
    json.field("id", options_.id_prefix + "-" + std::to_string(number_of(device)));
    if (numbered()) json.field("session", options_.session).field("from", device.unacked.acked() + 1);
    scratch_.clear();
    append_framed(scratch_, options_.style.framing, json.end_object().end_object().take());
    hand_over(device);
}

void LoadFleet::take_words(LoadDevice& device, std::size_t arrived) {
    words_.clear();
    device.inbox.take(options_.style.framing, {landing_.data(), arrived}, words_);
    for (const GatewayWord& word : words_) {
        switch (word.kind) {
            case GatewayWord::Kind::downlink:
                if (book_ != nullptr) take_downlink(device, word.number);
                break;
            case GatewayWord::Kind::resume:
                resume(device, word.number);
                break;
            case GatewayWord::Kind::ack:
                acknowledged(device, word.number);
                break;
            case GatewayWord::Kind::nack:
                ++counts_.uplinks.nacks;
                break;
            case GatewayWord::Kind::gap:
                ++counts_.uplinks.gaps;
                break;
        }
    }
}

/// Continues after the last number that the gateway has: repeats the rest, then sends new items.
void LoadFleet::resume(LoadDevice& device, std::uint64_t seq) {
    if (!numbered()) return;
    if (seq < device.unacked.acked()) ++counts_.uplinks.forgotten;
    acknowledged(device, seq);
    if (device.resumed) take_back(device);  // the gateway replaced its process
    device.resumed = true;
    const std::uint64_t safe = device.unacked.acked();
    if (safe > device.seq) {  // the gateway acknowledged more than arrived on the previous connection
        device.owed -= safe - device.seq;
        device.seq = safe;
    }
    if (device.owed > 0) return want_to_send(device);
    settle_debt(device);
}

void LoadFleet::acknowledged(LoadDevice& device, std::uint64_t seq) {
    counts_.uplinks.acked += device.unacked.acknowledge(seq, clock_.steady(), counts_.uplinks.latency);
    const bool all = device.owed == 0 && device.pending.empty() && device.unacked.acked() == device.seq;
    if (all && device.resumed) settle_debt(device);
}

/// Marks the unacknowledged items of an ended connection as due again.
void LoadFleet::take_back(LoadDevice& device) {
    device.resumed = false;
    device.owed += device.seq - device.unacked.acked();
    device.seq = device.unacked.acked();
}

/// Returns how many owed items fit into the next batch.
std::uint64_t LoadFleet::sendable(const LoadDevice& device) const {
    if (numbered() && !device.resumed) return 0;
    const std::uint64_t max = std::min<std::uint64_t>(device.owed, options_.batch);
    if (!quiet_) return max;
    if (!numbered()) return 0;
    return std::min(max, device.unacked.highest() - device.seq);  // only items that were in flight
}

void LoadFleet::settle_debt(LoadDevice& device) {
    if (!std::exchange(device.in_debt, false)) return;
    --owing_;
    report_if_sent();
}

namespace {

constexpr std::size_t max_acks_bytes = 64 * 1024;  // of a device that cannot write

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

/// Answers a downlink with an item that carries its number.
void LoadFleet::take_downlink(LoadDevice& device, std::uint64_t number) {
    if (!book_->arrived(number, number_of(device), clock_.steady())) return;
    if (ending_ || device.mute || device.acks.size() >= max_acks_bytes) return;
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
