#include <utility>

#include "base/printable.h"
#include "server/pipeline.h"

namespace holdfast {

std::optional<Error> cannot_acknowledge(const ServerConfig& config, const Pipeline& pipeline) {
    if (pipeline.acknowledges()) return std::nullopt;
    for (const ListenerConfig& listener : config.listeners) {
        if (!listener.acks) continue;
        return Error{"listener " + in_quotes(listener.name) +
                     " has acks = true, but where its events go they do not outlive a crash: choose the sink spool or "
                     "nats, or give the server a handler that is durable"};
    }
    return std::nullopt;
}

void Pipeline::know_devices(DeviceSurroundings around) {
    around.durable = events_->durable();
    devices_.start(std::move(around), counters_, [this](const Connection& connection, std::string_view json) {
        std::string framed;
        append_framed(framed, listeners_[connection.listener].framing, json);
        return framed;
    });
}

Pipeline::Next Pipeline::on_hello(Arrival& arrival, const Hello& hello) {
    Connection& connection = arrival.connection;
    connection.last_item = arrival.time.tick;
    const bool hold = devices_.greet(connection, arrival.number, hello, arrival.listener.acks);
    arrival.device = devices_.find(arrival.number);
    const Device& device = *arrival.device;
    if (connection.untold) {
        give_connected(connection, arrival.number, device.name(), arrival.time);
    } else {
        note_given();
        events_->on_identified({.conn = {run_, arrival.number},
                                .listener = listeners_[connection.listener].name,
                                .peer = connection.peer,
                                .device = device.name(),
                                .at = arrival.time.wall});
    }
    return hold ? Next::hold : Next::go_on;
}

/// Of a device that numbers its items: the table of docs/PROTOCOL.md, row by row.
Pipeline::Next Pipeline::on_numbered_item(Arrival& arrival, std::string_view text,
                                          const ItemDecoder::Decoded& decoded) {
    Device& device = *arrival.device;
    const auto seq = decoder_.seq();
    if (seq) {
        const auto verdict = device.numbers.judge(*seq);
        if (verdict != Numbering::Verdict::expected) {
            arrival.connection.last_item = arrival.time.tick;
            verdict == Numbering::Verdict::gap ? devices_.tell_gap(arrival.connection, device, *seq)
                                               : devices_.repeat(arrival.connection, arrival.number, device, *seq);
            return Next::go_on;
        }
    }
    if (decoded.bad || !seq) return refuse(arrival, decoded.bad.value_or(BadItem::bad_seq));
    give_item(arrival, text, decoded.key, device.numbers.next());
    devices_.take(arrival.number, device, given_);
    return Next::go_on;
}

/// What stands in the expected one's place: its number is taken.
Pipeline::Next Pipeline::refuse(Arrival& arrival, BadItem kind) {
    Device& device = *arrival.device;
    devices_.tell_bad(arrival.connection, device.numbers.next(), to_string(kind));
    ++given_;
    events_->on_refused({.conn = {run_, arrival.number}, .device = device.name(), .seq = device.numbers.next()});
    devices_.take(arrival.number, device, given_);
    return on_bad_item(arrival, kind);
}

Pipeline::Next Pipeline::on_unreadable(Arrival& arrival, BadItem kind) {
    const bool numbered = arrival.device != nullptr && arrival.device->counts();
    return numbered ? refuse(arrival, kind) : on_bad_item(arrival, kind);
}

}  // namespace holdfast
