#include "device/device_sessions.h"

#include <utility>

#include "base/check.h"

namespace holdfast {

void DeviceSessions::start(DeviceContext around, std::vector<ListenerCounters*>& counters, Send send,
                           OnSettled on_settled, OnSafe on_safe) {
    around_ = std::move(around);
    counters_ = &counters;
    send_ = std::move(send);
    on_settled_ = std::move(on_settled);
    on_safe_ = std::move(on_safe);
    if (around_.durable == nullptr) return;
    // Coalesces notifications: at most one call is posted at a time, however busy the reactor is.
    auto latest = std::make_shared<std::atomic<std::uint64_t>>(0);
    auto on_its_way = std::make_shared<std::atomic<bool>>(false);
    around_.durable->on_durable_change([this, post = around_.post, latest, on_its_way](std::uint64_t count) {
        latest->store(count);
        if (on_its_way->exchange(true)) return;
        post([this, latest, on_its_way] {
            on_its_way->store(false);
            on_durable(latest->load());
        });
    });
}

void DeviceSessions::certify(Connection& connection, Token number, std::string_view id) {
    keep(number, {.id = std::string(id), .session = {}, .numbers = {}}, Identity::authenticated);
    static_cast<void>(name(connection, number, std::string(id), Identity::authenticated));
}

DeviceSessions::Greeted DeviceSessions::greet(Connection& connection, Token number, const Hello& hello, bool acks,
                                              TokenMark token) {
    const bool counts = acks && !hello.session.empty() && around_.durable != nullptr;
    keep_greeted(connection, number, hello, counts, token);
    if (!connection.is_identified() && !name(connection, number, hello.id, identity_of(token != 0)))
        return Greeted::denied;
    Device& device = devices_[number];
    device.token = token;
    if (counts) {
        device.session = hello.session;
        device.from = hello.from;
    }
    switch (device.standing) {
        case Device::Standing::delayed:
        case Device::Standing::contested:
        case Device::Standing::weaker:
            return Greeted::delayed;
        case Device::Standing::bystander:
            return Greeted::open;
        case Device::Standing::holder:
            break;
    }
    if (!counts) return Greeted::open;
    if (!device.former_ends) request_resume(number);
    return Greeted::held;
}

void DeviceSessions::on_former_ended(Token number) {
    Device* device = find(number);
    if (device == nullptr) return;
    device->former_ends = false;
    if (device->counts()) request_resume(number);
}

/// Runs at the end of the turn, when everything that the device's older connection sent in it was handed on.
void DeviceSessions::request_resume(Token number) {
    around_.shard->after_turn([this, number] { look_up(number); });
}

void DeviceSessions::look_up(Token number) {
    const Device* device = find(number);
    const Connection* connection = around_.shard->registry().find(number);
    if (device == nullptr || connection == nullptr) return;  // it has ended since
    around_.durable->look_up(name_of(*connection, device), [this, number, post = around_.post](std::uint64_t durable) {
        post([this, number, durable] { resume(number, durable); });
    });
}

void DeviceSessions::resume(Token number, std::uint64_t durable) {
    Device* device = find(number);
    Connection* connection = around_.shard->registry().find(number);
    if (device == nullptr || connection == nullptr) return;
    device->numbers = SequenceTracker(durable, device->from);
    static_cast<void>(send_(*connection, "{\"resume\":" + std::to_string(durable) + "}"));
    around_.shard->release(*connection);
}

Device* DeviceSessions::find(Token number) {
    const auto found = devices_.find(number);
    return found == devices_.end() ? nullptr : &found->second;
}

void DeviceSessions::part(const Connection& connection, Token number) {
    const auto found = devices_.find(number);
    if (found == devices_.end()) return;
    (*counters_)[connection.listener]->identified.decrement();
    parted_.emplace_back(std::move(found->second.id), number);
    devices_.erase(found);
}

void DeviceSessions::take(Token number, Device& device, std::uint64_t given) {
    waiting_.push_back({.given = given, .number = number, .seq = device.numbers.next()});
    device.numbers.take();
}

void DeviceSessions::repeat(Connection& connection, Token number, Device& device, std::uint64_t seq) {
    (*counters_)[connection.listener]->repeated_items.increment();
    if (seq > device.numbers.safe()) return;  // the ack follows when it is durable
    device.numbers.repeat_ack();
    mark_ack_due(number, device);
}

void DeviceSessions::refuse_number(Connection& connection, Device& device, std::uint64_t seq,
                                   SequenceTracker::Verdict verdict) {
    (*counters_)[connection.listener]->gaps.increment();
    if (!device.numbers.reports_gap()) return;
    const std::string reason = verdict == SequenceTracker::Verdict::skipped ? "skipped" : "gap";
    const std::string told = "{\"nack\":" + std::to_string(seq) + ",\"reason\":\"" + reason +
                             "\",\"expected\":" + std::to_string(device.numbers.next()) + "}";
    if (send_(connection, told) == SendOutcome::queued) device.numbers.gap_reported();
}

void DeviceSessions::send_nack(Connection& connection, std::uint64_t seq, std::string_view reason) {
    static_cast<void>(
        send_(connection, "{\"nack\":" + std::to_string(seq) + ",\"reason\":\"" + std::string(reason) + "\"}"));
}

void DeviceSessions::on_turn_end(std::uint64_t given) {
    for (std::size_t i = 0; i < counted_.size(); ++i) {
        if (counted_[i] == 0) continue;
        uncounted_.push_back(
            {.given = given, .listener = static_cast<std::uint8_t>(i), .items = std::exchange(counted_[i], 0)});
    }
    // Released last: a later claimant of the id can rely on the older connection's items having been handed on.
    for (const auto& [id, number] : parted_) around_.directory->release(id, number);
    parted_.clear();
    if (!due_.empty()) send_acks();
}

void DeviceSessions::on_durable(std::uint64_t count) {
    for (; !waiting_.empty() && waiting_.front().given <= count; waiting_.pop_front()) {
        const Waiting& safe = waiting_.front();
        Device* device = find(safe.number);
        if (device != nullptr && device->numbers.make_safe(safe.seq)) mark_ack_due(safe.number, *device);
    }
    for (; !uncounted_.empty() && uncounted_.front().given <= count; uncounted_.pop_front()) {
        (*counters_)[uncounted_.front().listener]->items.add(uncounted_.front().items);
    }
    send_acks();
    on_safe_(count);
}

void DeviceSessions::mark_ack_due(Token number, Device& device) {
    if (!std::exchange(device.due, true)) due_.push_back(number);
}

/// Sends one cumulative ack per device with new acknowledgements. A device whose queue is full stays due.
void DeviceSessions::send_acks() {
    for (const Token number : std::exchange(due_, {})) {
        Device* device = find(number);
        Connection* connection = around_.shard->registry().find(number);
        if (device == nullptr) continue;
        device->due = false;
        if (connection == nullptr || !device->numbers.ack_is_due()) continue;
        const auto outcome = send_(*connection, "{\"ack\":" + std::to_string(device->numbers.safe()) + "}");
        if (outcome == SendOutcome::queue_full) {
            mark_ack_due(number, *device);
        } else {
            device->numbers.told();
            if (outcome != SendOutcome::unencodable) (*counters_)[connection->listener]->acks.increment();
            if (device->numbers.is_settled()) around_.shard->answered(*connection);
        }
    }
}

}  // namespace holdfast
