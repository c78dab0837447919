#include "capi/batch_handler.h"

#include <string>
#include <utility>

#include <holdfast/bad_items.h>
#include <holdfast/reason.h>

namespace holdfast {

template <typename Event>
hf_event BatchHandler::begin(std::uint32_t kind, const Event& event) {
    hf_event out{};
    out.kind = kind;
    out.authenticated = event.device.authenticated ? 1 : 0;
    out.conn = {.number = event.conn.number, .run = event.conn.run, .reserved = 0};
    out.at_ms = event.at.time_since_epoch().count();
    out.listener = batch_.keep(event.listener);
    out.peer = batch_.keep(to_string(event.peer));
    out.id = batch_.keep(event.device.id);
    out.session = batch_.keep(event.device.session);
    return out;
}

void BatchHandler::on_connected(const ConnectedEvent& event) { add_counted(begin(HF_CONNECTED, event)); }

void BatchHandler::on_identified(const IdentifiedEvent& event) { add_counted(begin(HF_IDENTIFIED, event)); }

void BatchHandler::on_item(const ItemEvent& event) {
    hf_event out = begin(HF_ITEM, event);
    out.key = batch_.keep(event.key);
    out.body = batch_.keep(event.item);
    out.number = event.n;
    out.seq = event.seq;
    add_counted(out);
}

void BatchHandler::on_hello(const HelloEvent& event, const HelloDecision& decision) {
    hf_event out = begin(HF_HELLO, event);
    out.body = batch_.keep(event.token);
    batch_.add(out);
    questions_.add(event.conn, decision);
}

void BatchHandler::on_refused(const RefusedItem& item) {
    hf_event out{};
    out.kind = HF_REFUSED;
    out.authenticated = item.device.authenticated ? 1 : 0;
    out.conn = {.number = item.conn.number, .run = item.conn.run, .reserved = 0};
    out.id = batch_.keep(item.device.id);
    out.session = batch_.keep(item.device.session);
    out.seq = item.seq;
    add_counted(out);
}

void BatchHandler::on_bad_item(const BadItemEvent& event) {
    hf_event out = begin(HF_BAD_ITEM, event);
    out.body = batch_.keep(event.head.view());
    out.reason = batch_.keep(to_string(event.kind));
    out.detail = batch_.keep(event.detail);
    batch_.add(out);
}

void BatchHandler::on_closed(const ClosedEvent& event) {
    hf_event out = begin(HF_CLOSED, event);
    out.key = batch_.keep(event.key);
    out.reason = batch_.keep(to_string(event.reason));
    out.detail = batch_.keep(event.detail);
    out.number = event.items;
    out.error = event.error;
    out.code = event.code;
    add_counted(out);
    static_cast<void>(questions_.take_hello(event.conn));
}

void BatchHandler::on_turn_end() {
    if (batch_.empty()) return;
    batch_.ends_at(durable_, calls_);
    queue_.push(std::exchange(batch_, EventBatch()));
}

}  // namespace holdfast
