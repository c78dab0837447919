#include "recorder.h"

#include <algorithm>
#include <utility>

#include "base/plant.h"
#include "world.h"

namespace holdfast {

using namespace std::chrono_literals;

void Recorder::on_connected(const ConnectedEvent& event) {
    ++count_;
    is_dirty_ = true;
    Attempt* const attempt = world_.find(event.peer);
    world_.note_connection();
    if (attempt == nullptr)
        return world_.violate("P2: connected " + to_string(event.peer) + ", which no device opened");
    if (attempt->conn) world_.violate("P2: a second `connected` for one connection");
    attempt->conn = event.conn;
}

void Recorder::on_item(const ItemEvent& event) {
    ++count_;
    is_dirty_ = true;
    world_.note_item();
    Attempt* const attempt = world_.find(event.peer);
    if (attempt == nullptr || attempt->conn != event.conn) return world_.violate("P2: an item without `connected`");
    if (attempt->has_ended) return world_.violate("P2: an item behind `closed`");
    const std::uint64_t number = ++attempt->received;
    if (event.seq > 0) return take_number(event.device, event.seq);
    if (event.key != std::to_string(number))
        world_.violate("P6: item " + std::string(event.key) + " came in the place of " + std::to_string(number));
}

void Recorder::on_refused(const RefusedItem& item) {
    ++count_;
    is_dirty_ = true;
    take_number(item.device, item.seq);
}

void Recorder::take_number(const DeviceName& device, std::uint64_t seq) {
    std::uint64_t& last = given_[std::string(device.id)];
    if (seq != last + 1) {
        world_.violate("P6: " + std::string(device.id) + " has item " + std::to_string(seq) + " after " +
                       std::to_string(last));
    }
    last = seq;
    fresh_[std::string(device.id)] = seq;
}

void Recorder::on_closed(const ClosedEvent& event) {
    ++count_;
    is_dirty_ = true;
    Attempt* const attempt = world_.find(event.peer);
    if (attempt == nullptr || attempt->conn != event.conn) return world_.violate("P2: `closed` without `connected`");
    if (attempt->has_ended) return world_.violate("P2: a second `closed`");
    world_.check_end(*attempt, event);
}

bool Recorder::ready() { return world_.is_sink_ready(); }

void Recorder::on_turn_end() {
    if (!std::exchange(is_dirty_, false) && look_ups_.empty()) return;
    if (planted("early_ack") && tell_) tell_(count_);
    durable_at_ = std::max<SteadyTime>(durable_at_, world_.now() + world_.dice().between(0ms, 300ms));  // in order
    world_.later(durable_at_,
                 [this, count = count_, fresh = std::exchange(fresh_, {}), look_ups = std::exchange(look_ups_, {})] {
                     for (const auto& [id, number] : fresh) durable_[id] = std::max(durable_[id], number);
                     if (tell_) tell_(count);
                     for (const auto& [id, answer] : look_ups) answer(durable_of(id));
                 });
}

void Recorder::look_up(const DeviceName& device, std::function<void(std::uint64_t)> answer) {
    look_ups_.emplace_back(device.id, std::move(answer));
}

}  // namespace holdfast
