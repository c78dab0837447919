#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "codec/framing.h"
#include "load/fleet.h"

namespace holdfast {

/// The device's name, and with acks the run of its numbers: docs/reference/protocol.md.
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

/// The gateway has said what it has: the rest is sent again, and then what is new.
void LoadFleet::resume(LoadDevice& device, std::uint64_t seq) {
    if (!numbered() || device.resumed) return;
    if (seq < device.unacked.acked()) ++counts_.uplinks.forgotten;
    acknowledged(device, seq);
    device.resumed = true;
    const std::uint64_t safe = device.unacked.acked();
    if (safe > device.seq) {  // more than it knew when the connection before this ended
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

/// The connection has ended: what no ack covers is owed again.
void LoadFleet::take_back(LoadDevice& device) {
    device.resumed = false;
    device.owed += device.seq - device.unacked.acked();
    device.seq = device.unacked.acked();
}

/// How many items may go into the next batch of what a device owes.
std::uint64_t LoadFleet::sendable(const LoadDevice& device) const {
    if (numbered() && !device.resumed) return 0;
    const std::uint64_t most = std::min<std::uint64_t>(device.owed, options_.batch);
    if (!quiet_) return most;
    if (!numbered()) return 0;
    return std::min(most, device.unacked.highest() - device.seq);  // only what was on its way
}

void LoadFleet::settle_debt(LoadDevice& device) {
    if (!std::exchange(device.in_debt, false)) return;
    --owing_;
    tell_if_sent();
}

}  // namespace holdfast
