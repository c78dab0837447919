#include "recorder.h"

#include <algorithm>
#include <utility>

#include "base/plant.h"
#include "world.h"

namespace holdfast {

using namespace std::chrono_literals;

Recorder::Recorder(World& world, std::unique_ptr<EventHandler> spooled) : world_(world), spooled_(std::move(spooled)) {
    if (!spooled_) return;
    spooled_->durable()->on_durable_change([committed = committed_](std::uint64_t calls) {
        const std::lock_guard lock(committed->mutex);
        committed->calls = calls;
        committed->change.notify_one();
    });
}

void Recorder::on_connected(const ConnectedEvent& event) {
    if (world_.is_down() || world_.crash_here(event.peer)) return;
    ++count_;
    is_dirty_ = true;
    if (spooled_) spooled_->on_connected(event);
    Attempt* const attempt = world_.find(event.peer);
    world_.note_connection();
    if (attempt == nullptr)
        return world_.violate("P2: connected " + to_string(event.peer) + ", which no device opened");
    if (attempt->conn) world_.violate("P2: a second `connected` for one connection");
    attempt->conn = event.conn;
    static_cast<void>(world_.crash_here(event.peer));
}

void Recorder::on_identified(const IdentifiedEvent& event) {
    if (world_.is_down()) return;
    ++count_;
    is_dirty_ = true;
    if (spooled_) spooled_->on_identified(event);
}

void Recorder::on_item(const ItemEvent& event) {
    if (world_.is_down() || world_.crash_here(event.peer)) return;
    ++count_;
    is_dirty_ = true;
    if (spooled_) spooled_->on_item(event);
    world_.note_item();
    Attempt* const attempt = world_.find(event.peer);
    if (attempt == nullptr || attempt->conn != event.conn) return world_.violate("P2: an item without `connected`");
    if (attempt->has_ended) return world_.violate("P2: an item behind `closed`");
    ++attempt->received;
    event.seq > 0 ? take_number(event.device, event.seq) : take_next(*attempt, event);
    static_cast<void>(world_.crash_here(event.peer));
}

/// Checks that the item follows the one before. Behind a crash, items may be lost that it had read.
void Recorder::take_next(Attempt& attempt, const ItemEvent& event) {
    const std::uint64_t number = std::stoull(std::string(event.key));
    const bool fits = attempt.is_in_doubt ? number > attempt.last : number == attempt.last + 1;
    if (!fits) {
        world_.violate("P6: item " + std::string(event.key) + " came in the place of " +
                       std::to_string(attempt.last + 1));
    }
    attempt.last = number;
    attempt.is_in_doubt = false;
}

void Recorder::on_refused(const RefusedItem& item) {
    if (world_.is_down()) return;
    ++count_;
    is_dirty_ = true;
    if (spooled_) spooled_->on_refused(item);
    take_number(item.device, item.seq);
}

void Recorder::take_number(const DeviceName& device, std::uint64_t seq) {
    std::uint64_t& last = world_.ledger().given[std::string(device.id)];
    if (seq != last + 1) {
        world_.violate("P6: " + std::string(device.id) + " has item " + std::to_string(seq) + " after " +
                       std::to_string(last));
    }
    last = seq;
    fresh_[std::string(device.id)] = seq;
}

void Recorder::on_closed(const ClosedEvent& event) {
    if (world_.is_down() || world_.crash_here(event.peer)) return;
    ++count_;
    is_dirty_ = true;
    if (spooled_) spooled_->on_closed(event);
    Attempt* const attempt = world_.find(event.peer);
    if (attempt == nullptr || attempt->conn != event.conn) return world_.violate("P2: `closed` without `connected`");
    if (attempt->has_ended) return world_.violate("P2: a second `closed`");
    world_.check_end(*attempt, event);
    static_cast<void>(world_.crash_here(event.peer));
}

bool Recorder::ready() { return world_.is_sink_ready(); }

void Recorder::on_turn_end() {
    if (world_.is_down() || (!std::exchange(is_dirty_, false) && look_ups_.empty())) return;
    if (planted("early_ack") && tell_) tell_(count_);
    if (spooled_) wait_for_spool();
    const auto answers = take_answers();
    const Position told = spooled_ ? world_.disk()->last() : 0;
    durable_at_ = std::max<SteadyTime>(durable_at_, world_.now() + world_.dice().between(0ms, 300ms));  // in order
    world_.later(durable_at_, [this, count = count_, told, fresh = std::exchange(fresh_, {}), answers,
                               look_ups = std::exchange(look_ups_, {})] {
        Ledger& ledger = world_.ledger();
        for (const auto& [id, number] : fresh) ledger.durable[id] = std::max(ledger.durable[id], number);
        ledger.told = told;
        if (spooled_) world_.disk()->promise();
        if (tell_) tell_(count);
        for (std::size_t i = 0; i < look_ups.size(); ++i)
            look_ups[i].answer(spooled_ ? answers[i].value_or(0) : ledger.durable_of(look_ups[i].id));
    });
}

std::vector<std::optional<std::uint64_t>> Recorder::take_answers() {
    const std::lock_guard lock(committed_->mutex);
    return std::exchange(committed_->answers, {});
}

/// Waits until the events of this turn are on the disk, and the sessions of its hellos were looked up.
void Recorder::wait_for_spool() {
    spooled_->on_turn_end();
    std::unique_lock lock(committed_->mutex);
    const auto is_done = [this] {
        return committed_->calls >= count_ && std::all_of(committed_->answers.begin(), committed_->answers.end(),
                                                          [](const auto& answer) { return answer.has_value(); });
    };
    if (!committed_->change.wait_for(lock, 20s, is_done)) world_.violate("P6: the spool commits nothing");
}

void Recorder::look_up(const DeviceName& device, std::function<void(std::uint64_t)> answer) {
    look_ups_.push_back({std::string(device.id), std::move(answer)});
    if (!spooled_) return;
    std::unique_lock lock(committed_->mutex);
    const std::size_t place = committed_->answers.size();
    committed_->answers.emplace_back();
    lock.unlock();
    spooled_->durable()->look_up(device, [committed = committed_, place](std::uint64_t number) {
        const std::lock_guard inner(committed->mutex);
        committed->answers[place] = number;
        committed->change.notify_one();
    });
}

}  // namespace holdfast
