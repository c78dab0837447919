#include "fleet/device_news.h"

#include <iterator>
#include <utility>

namespace holdfast {
namespace {

/// Collects notes on the thread of its reactor.
class DeviceNoter final : public EventHandler {
public:
    DeviceNoter(std::unique_ptr<EventHandler> inner, DeviceNews& news) : inner_(std::move(inner)), news_(news) {}

    void on_connected(const ConnectedEvent& event) override {
        inner_->on_connected(event);
        note_here(event);
    }
    void on_identified(const IdentifiedEvent& event) override {
        inner_->on_identified(event);
        note_here(event);
    }
    void on_closed(const ClosedEvent& event) override {
        inner_->on_closed(event);
        if (DeviceNote* const note = add_note(event)) {
            note->gone = true;
            note->reason = event.reason;
        }
    }
    void on_item(const ItemEvent& event) override { inner_->on_item(event); }
    void on_refused(const RefusedItem& item) override { inner_->on_refused(item); }
    void on_bad_item(const BadItemEvent& event) override { inner_->on_bad_item(event); }
    void on_turn_end() override {
        inner_->on_turn_end();
        if (!notes_.empty()) news_.push(notes_);
    }
    bool ready() override { return inner_->ready(); }
    Durable* durable() override { return inner_->durable(); }

private:
    /// Adds a note about the connection of an event. Returns nullptr if the connection has stated no id.
    template <typename Event>
    DeviceNote* add_note(const Event& event) {
        if (event.device.id.empty()) return nullptr;
        return &notes_.emplace_back(DeviceNote{.id = std::string(event.device.id),
                                               .conn = event.conn,
                                               .peer = event.peer,
                                               .listener = std::string(event.listener),
                                               .at = event.at});
    }
    template <typename Event>
    void note_here(const Event& event) {
        if (DeviceNote* const note = add_note(event)) {
            note->identity = identity_of(event.authenticated);
            note->established = event.established;
            note->ended = event.ended;
        }
    }

    std::unique_ptr<EventHandler> inner_;
    DeviceNews& news_;
    std::vector<DeviceNote> notes_;  // of this turn
};

}  // namespace

void DeviceNews::push(std::vector<DeviceNote>& notes) {
    {
        const std::lock_guard lock(mutex_);
        if (notes_.size() + notes.size() > max_notes) {
            dropped_ = true;
        } else if (notes_.empty()) {
            notes_.swap(notes);
        } else {
            notes_.insert(notes_.end(), std::make_move_iterator(notes.begin()), std::make_move_iterator(notes.end()));
        }
    }
    notes.clear();
    changed_.notify_one();
}

void DeviceNews::wake() {
    {
        const std::lock_guard lock(mutex_);
        woken_ = true;
    }
    changed_.notify_one();
}

DeviceNews::Notes DeviceNews::take(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [this] { return !notes_.empty() || dropped_ || woken_; });
    woken_ = false;
    return {std::exchange(notes_, {}), std::exchange(dropped_, false)};
}

std::unique_ptr<EventHandler> note_devices(std::unique_ptr<EventHandler> inner, DeviceNews& news) {
    return std::make_unique<DeviceNoter>(std::move(inner), news);
}

}  // namespace holdfast
